/**
 * MessagePack (github.com/msgpack/msgpack, spec.md), as much of it as the wire has: null, booleans, numbers, texts, lists
 * and maps with texts as keys. What else there is (bytes, extensions) is refused.
 *
 * Our own, because the usual library is as large as half of this client may be; it is the oracle of the tests. Integers
 * become numbers: those of the wire are at most 2^53 - 1, so they are exact.
 */

// A text that is no UTF-8 is refused, and a byte order mark is a part of it.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const toUtf8 = new TextEncoder();

/** The value that the bytes stand for. Throws for bytes that are none, or more than one. */
export function decodeMsgpack(data: ArrayBuffer | Uint8Array): unknown {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const reader = new Reader(bytes);
  const value = reader.value();
  if (reader.at !== bytes.length) throw new RangeError("bytes are left");
  return value;
}

/** Every length is held against the bytes that there are: nothing is made in advance. */
class Reader {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(): unknown {
    const head = this.whole(1);
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 0x0f);
    if (head < 0xa0) return this.list(head & 0x0f);
    if (head < 0xc0) return this.text(head & 0x1f);
    return head < 0xe0 ? this.marked(head) : head - 0x100;
  }

  private marked(head: number): unknown {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return head === 0xc3;
      case 0xca:
        return this.view.getFloat32(this.skip(4));
      case 0xcb:
        return this.view.getFloat64(this.skip(8));
      case 0xd0:
        return this.view.getInt8(this.skip(1));
      case 0xd1:
        return this.view.getInt16(this.skip(2));
      case 0xd2:
        return this.view.getInt32(this.skip(4));
      case 0xd3:
        return Number(this.view.getBigInt64(this.skip(8)));
    }
    if (head >= 0xcc && head <= 0xcf) return this.whole(1 << (head - 0xcc));
    if (head >= 0xd9 && head <= 0xdb) return this.text(this.whole(1 << (head - 0xd9)));
    if (head === 0xdc || head === 0xdd) return this.list(this.whole(2 << (head - 0xdc)));
    if (head === 0xde || head === 0xdf) return this.map(this.whole(2 << (head - 0xde)));
    throw new TypeError(`not on this wire: ${head}`);
  }

  /** An unsigned integer of 1, 2, 4 or 8 bytes. */
  private whole(size: number): number {
    let number = 0;
    for (const end = this.skip(size) + size; size; size--) number = number * 256 + this.view.getUint8(end - size);
    return number;
  }

  private text(size: number): string {
    const start = this.skip(size);
    return utf8.decode(this.bytes.subarray(start, this.at));
  }

  private list(size: number): unknown[] {
    const list: unknown[] = [];
    while (size--) list.push(this.value());
    return list;
  }

  /** Fields of its own, whatever they are called: `__proto__` is a label like any other. */
  private map(size: number): Record<string, unknown> {
    const fields: [string, unknown][] = [];
    while (size--) fields.push([this.key(), this.value()]);
    return Object.fromEntries(fields);
  }

  private key(): string {
    const key = this.value();
    if (typeof key !== "string") throw new TypeError("a key that is no text");
    return key;
  }

  private skip(size: number): number {
    const start = this.at;
    this.at += size;
    if (this.at > this.bytes.length) throw new RangeError("too few bytes");
    return start;
  }
}

/** The bytes of a value. A field that is undefined is left out. */
export function encodeMsgpack(value: unknown): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  write(value, out);
  return new Uint8Array(out);
}

function write(value: unknown, out: number[]): void {
  if (value === null || value === undefined) out.push(0xc0);
  else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === "number") writeNumber(value, out);
  else if (typeof value === "string") writeText(value, out);
  else if (Array.isArray(value)) writeList(value, out);
  else writeMap(Object.entries(value), out);
}

function writeNumber(value: number, out: number[]): void {
  if (!Number.isSafeInteger(value)) {
    out.push(0xcb);
    writeBytes(8, (view) => view.setFloat64(0, value), out);
  } else if (value >= 0 && value < 0x80) {
    out.push(value);
  } else {
    out.push(0xd3);
    writeBytes(8, (view) => view.setBigInt64(0, BigInt(value)), out);
  }
}

function writeText(value: string, out: number[]): void {
  const bytes = toUtf8.encode(value);
  writeSize(bytes.length, 0xa0, 0x20, 0xdb, out);
  for (const byte of bytes) out.push(byte);
}

function writeList(values: unknown[], out: number[]): void {
  writeSize(values.length, 0x90, 0x10, 0xdd, out);
  for (const value of values) write(value, out);
}

function writeMap(fields: [string, unknown][], out: number[]): void {
  const there = fields.filter(([, value]) => value !== undefined);
  writeSize(there.length, 0x80, 0x10, 0xdf, out);
  for (const [name, value] of there) {
    writeText(name, out);
    write(value, out);
  }
}

/** In the head itself below `few`, else in four bytes after `head`. */
function writeSize(size: number, fixed: number, few: number, head: number, out: number[]): void {
  if (size < few) return void out.push(fixed | size);
  out.push(head);
  writeBytes(4, (view) => view.setUint32(0, size), out);
}

function writeBytes(size: number, set: (view: DataView) => void, out: number[]): void {
  const view = new DataView(new ArrayBuffer(size));
  set(view);
  for (let at = 0; at < size; at++) out.push(view.getUint8(at));
}
