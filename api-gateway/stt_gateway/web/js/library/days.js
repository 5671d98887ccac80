// Days of the user's calendar as moments: the server counts days in UTC, the list shows them in the user's time zone.

/** The first moment of a day ("2026-01-31"), as ISO 8601; "" without one. */
export const startOf = (day) => moment(day, 0);

/** The first moment after a day, as ISO 8601; "" without one. */
export const endOf = (day) => moment(day, 1);

function moment(day, later) {
  if (!day) return "";
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later).toISOString();
}
