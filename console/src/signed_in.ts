/** Whether somebody may be signed in here, known without asking the server: it sets a cookie for that, which opens nothing. */

const HINT = "outlive-signed-in";

export function maybeSignedIn(): boolean {
  return document.cookie.split("; ").some((cookie) => cookie.startsWith(`${HINT}=`));
}

/** The server knows of no sign-in: the next visit begins with the form at once. */
export function forgetSignIn(): void {
  document.cookie = `${HINT}=; path=/; max-age=0; samesite=strict`;
}
