"""What a field of a message or a request may hold: the bounded types that messages and bodies are made of.

They refuse while they are read, so that nothing further inside meets a text, a list or a number without an end.
"""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec

# A UUID, a host name or an e-mail address; ids are parts of channel names, of keys and of addresses.
ID_MAX_CHARS = 128
# A message is at most 64 KiB as a whole; these keep one field from eating it all. A title is a line, not a text.
TITLE_MAX_CHARS = 512
TEXT_MAX_CHARS = 8_192
# Prometheus' alerts have about a dozen.
LABELS_MAX = 64
LABEL_MAX_CHARS = 1_024

# 1-128 characters: any letter, digit or space of Unicode and ._-/@: ; `protocol.names` says what more is refused.
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_MAX_CHARS)]
Title = Annotated[str, msgspec.Meta(max_length=TITLE_MAX_CHARS)]
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX_CHARS)]
Label = Annotated[str, msgspec.Meta(max_length=LABEL_MAX_CHARS)]
# MessagePack can carry NaN and infinities, stores and JSON cannot: a comparison with the bounds refuses both.
Finite = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
Labels = Annotated[dict[Label, Label], msgspec.Meta(max_length=LABELS_MAX)]

# As long as HTTP servers let a header be; a token with an RSA signature and many claims has about 2,000.
TOKEN_MAX_CHARS = 8_192
# Of one request: some milliseconds of deciding, four batches of a channel.
ITEMS_MAX = 1_000
OFFSET_MAX = 2**53 - 1  # JavaScript's clients count in doubles

RequestId = Annotated[int, msgspec.Meta(ge=0, le=OFFSET_MAX)] | Annotated[str, msgspec.Meta(max_length=64)]
Token = Annotated[str, msgspec.Meta(max_length=TOKEN_MAX_CHARS)]
# Ours have 43 characters.
Ticket = Annotated[str, msgspec.Meta(max_length=128)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=OFFSET_MAX)]
# `alerts:<workspace>:<framework>` with the longest ids has 264.
ChannelName = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
