/** A URL as messages repeat it: without the password that may stand in it, whatever that holds. */
export function shownUrl(text: string): string {
  // What no URL can be may be none because of its password: `#` and `/` end the host's part of one.
  const password = URL.canParse(text) ? /^(\w+:\/\/[^/?#@:]*):[^/?#]*@/ : /^(\w+:\/\/[^/?#@:]*):.*@/s;
  return text.replace(password, "$1@").replaceAll(/([?&]password=)[^&#]*/gi, "$1…");
}
