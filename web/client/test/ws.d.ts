/** Of `ws`, as much as the tests use of it. */
declare module "ws" {
  export class WebSocket {
    constructor(address: string, subprotocols?: string[]);
    readonly protocol: string;
    terminate(): void;
  }
}
