// Formatting of times for people and for subtitle files. Pure.

/** 83000 -> "1:23", 3723000 -> "1:02:03". */
export function shortClock(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  return s >= 3600
    ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
    : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** 83004 -> "00:01:23,004". */
export function cueClock(ms, comma) {
  const whole = Math.max(0, Math.round(ms));
  const two = (n) => String(n).padStart(2, "0");
  const s = Math.floor(whole / 1000);
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}${comma}${String(whole % 1000).padStart(3, "0")}`;
}

export function fileSize(bytes, language) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  let n = bytes,
    unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit += 1;
  }
  const digits = unit && n < 10 ? 1 : 0;
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[unit],
    unitDisplay: unit ? "short" : "long",
    maximumFractionDigits: digits,
  }).format(n);
}
