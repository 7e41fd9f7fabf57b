/**
 * What a token says of its bearer, read and not checked: the engine checks it with every request.
 *
 * The page uses it to say who is signed in and to leave out what the role may not do anyway. Pure.
 */
export type Role = "viewer" | "responder" | "producer" | "editor" | "admin";
export type Verb = "read" | "trigger" | "respond" | "silence" | "edit" | "broadcast" | "administer";

/** As engine/access/roles.py has it; the engine decides, this only hides what it would refuse. */
const ROLE_MAY: Record<Role, readonly Verb[]> = {
  viewer: ["read"],
  responder: ["read", "respond", "silence"],
  producer: ["read", "trigger"],
  editor: ["read", "trigger", "respond", "silence", "edit"],
  admin: ["read", "trigger", "respond", "silence", "edit", "broadcast", "administer"],
};

/** A workspace whose administrators look after the engine itself. */
export const SYSTEM_WORKSPACE = "system";

export interface Claims {
  user: string;
  workspace: string;
  role: Role;
  /** The frameworks that the token is limited to; null: all of the workspace. */
  channels: readonly string[] | null;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

export function may(claims: Pick<Claims, "role">, verb: Verb): boolean {
  return ROLE_MAY[claims.role].includes(verb);
}

/** The claims, or null if this is no token of the kind that the engine takes. */
export function readClaims(token: string): Claims | null {
  const said = payloadOf(token);
  const user = said?.["sub"] ?? said?.["userId"];
  const workspace = said?.["workspaceId"] ?? said?.["workspace"];
  const ends = said?.["exp"];
  if (!said || typeof user !== "string" || typeof workspace !== "string" || typeof ends !== "number") return null;
  const role = said["role"];
  const channels = said["channels"];
  return {
    user,
    workspace,
    role: isRole(role) ? role : "viewer",
    channels: Array.isArray(channels) ? channels.map(String) : null,
    expiresAt: ends * 1_000,
  };
}

function isRole(word: unknown): word is Role {
  return typeof word === "string" && Object.hasOwn(ROLE_MAY, word);
}

function payloadOf(token: string): Record<string, unknown> | null {
  const [, payload] = token.split(".");
  if (!payload) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (each) =>
      each.charCodeAt(0),
    );
    const said: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof said === "object" && said !== null ? (said as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
