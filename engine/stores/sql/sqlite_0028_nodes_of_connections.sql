-- Which node has a connection. With one process it says little; with several the others say that it is over.
ALTER TABLE websocket_connections ADD COLUMN node TEXT;
