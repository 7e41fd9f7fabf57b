/**
 * Signs in with a one-use ticket: a link `/#ticket=…`, or one that somebody pasted. The engine gives a token for it, of
 * whoever made the ticket, for an hour at most; from then on all is as with a token.
 */
import { ApiError, post, reasonOf } from "./api.ts";
import { makeStore, useStore } from "./store.ts";
import { restore, sayProblem, signIn, takeFromAddress } from "./session.ts";

const exchanging = makeStore(false);

/** Whether the ticket of the address is on its way: then the door need not be shown yet. */
export function useExchanging(): boolean {
  return useStore(exchanging);
}

// As engine/access/tickets.py makes them: the node that did, and 256 bits.
const TICKET = /^([\w-]+\.)?[\w-]{43}$/;

/** Whether somebody pasted a ticket and not a token. Pure. */
export function isTicket(text: string): boolean {
  return TICKET.test(text.trim());
}

/** Signs in with either; gives back what is wrong, if anything. */
export async function signInWith(text: string): Promise<string | null> {
  return isTicket(text) ? exchange(text.trim()) : signIn(text);
}

/** At the start of the page. A ticket that is good no more leaves the tab's own token as it is. */
export function enter(): void {
  const { token, ticket } = takeFromAddress();
  if (ticket === null) return restore(token);
  exchanging.set(true);
  void exchange(ticket).then((wrong) => {
    if (wrong) {
      restore(null);
      sayProblem(wrong);
    }
    exchanging.set(false);
  });
}

async function exchange(ticket: string): Promise<string | null> {
  try {
    return signIn((await post<{ token: string }>("/api/v1/tokens", { ticket })).token);
  } catch (fault) {
    if (fault instanceof ApiError && fault.status === 401)
      return "This ticket is not good: it was used, or has ended. Ask for another one, or use a token.";
    return `You are not signed in: ${reasonOf(fault)}`;
  }
}
