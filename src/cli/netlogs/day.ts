// What --help says of a DAY.
export const DAY = 'a date, today, yesterday, latest, or A..B of these';
