/** Figures in words. Pure. */
import { number } from "../../times.ts";

/** A share, 0 to 1, in percent; null: it cannot be told. */
export function percent(share: number | null): string {
  return share === null ? "–" : `${number(Math.round(share * 1_000) / 10)} %`;
}

const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
] as const;

/** How long something took: two digits are enough. */
export function took(seconds: number | null): string {
  if (seconds === null) return "–";
  const [length, unit] = UNITS.find(([each]) => seconds >= each) ?? UNITS[3];
  const value = seconds / length;
  return `${number(value < 10 ? Math.round(value * 10) / 10 : Math.round(value))} ${unit}`;
}

/** `1 alert`, `2 alerts`. */
export function count(many: number, one: string, several = `${one}s`): string {
  return `${number(many)} ${many === 1 ? one : several}`;
}
