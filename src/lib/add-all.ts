/** `push` takes what it is given as arguments, of which there is room for some hundred thousand: a folder may have more files. */
export function addAll<T>(to: T[], more: Iterable<T>): void {
  for (const one of more) to.push(one);
}
