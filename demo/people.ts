import type { Chance } from "./chance.ts";

/** Names of invented companies and people; any likeness is chance. */
const companies = {
  zh: {
    names: ["张伟", "华信", "东方", "金桥", "长城", "明远", "瑞丰", "天和"],
    kinds: ["有限公司", "科技有限公司", "贸易公司", "集团"],
  },
  en: {
    names: ["Northwind", "Harbor", "Juniper", "Alder & Son", "Kestrel", "Old Mill", "Brightwater", "Copperfield"],
    kinds: ["Ltd", "Inc.", "Logistics", "Studio", "Foods"],
  },
  de: { names: ["Müller", "Bäcker", "Groß", "Schütz", "König"], kinds: ["GmbH", "AG", "& Söhne KG"] },
} as const;

const people = {
  zh: {
    first: ["伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳"],
    last: ["王", "李", "张", "刘", "陈", "杨", "赵", "黄"],
  },
  en: {
    first: ["Ada", "Grace", "Omar", "Lena", "Noor", "Tom", "Ivy"],
    last: ["Hart", "Okafor", "Lindqvist", "Reyes", "Walsh"],
  },
  de: { first: ["Jürgen", "Anke", "Sören", "Käthe", "Uwe"], last: ["Weiß", "Jäger", "Böhm", "Vogel"] },
} as const;

export type Tongue = keyof typeof companies;

export function companyName(chance: Chance, tongue: Tongue, number: number): string {
  const { names, kinds } = companies[tongue];
  const [name, kind] = [chance.pick<string>(names), chance.pick<string>(kinds)];
  return tongue === "zh" ? `${name}${kind}${number}` : `${name} ${kind} ${number}`;
}

export function personName(chance: Chance, tongue: Tongue): { readonly first: string; readonly last: string } {
  const { first, last } = people[tongue];
  return { first: chance.pick<string>(first), last: chance.pick<string>(last) };
}

export const tongues: readonly Tongue[] = ["zh", "en", "de"];

export const stages = ["lead", "qualified", "proposal", "negotiation", "won", "lost"] as const;

export const remarks = [
  "Called, wants an offer by Friday.",
  "客户要求在月底前交货。",
  "Rückruf am Montag, Ansprechpartnerin ist im Urlaub.",
  "Sent the contract; waiting for two signatures.",
  "发票地址已更新，请勿使用旧地址。",
  "Price is fine, delivery date is not.\nOffered week 32 instead.",
  "Asked again about the warranty.",
];
