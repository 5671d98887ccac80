// What an invitation to a conversation says, which the server has signed. Pure. The short names are the server's:
// core/requests/invitation.py.

const PREFIX = "stt1i.";

/** {conversation, speak} of an invitation; null for any other text. Only the server can tell whether it is valid. */
export function readInvitation(text) {
  if (!text?.startsWith(PREFIX)) return null;
  const [claims] = text.slice(PREFIX.length).split(".");
  try {
    const bytes = Uint8Array.from(atob(claims.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
    const { c: conversation, w: speak } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof conversation === "string" && conversation ? { conversation, speak: speak === true } : null;
  } catch (error) {
    if (error instanceof SyntaxError || error.name === "InvalidCharacterError") return null;
    throw error;
  }
}
