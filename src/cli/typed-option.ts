/** The value of a global option, found without parsing what was typed. */
export function typedOption(typed: readonly string[], option: string): string | undefined {
  const index = typed.findIndex((one) => one === option || one.startsWith(`${option}=`));
  const found = typed[index];
  return found === option ? typed[index + 1] : found?.slice(option.length + 1);
}
