// Random names for new conversations, easy to read aloud.

const WORDS = [
  "amber",
  "birch",
  "cedar",
  "coral",
  "delta",
  "ember",
  "fjord",
  "grove",
  "heron",
  "island",
  "jade",
  "linden",
  "maple",
  "north",
  "olive",
  "pine",
  "quartz",
  "river",
  "sage",
  "tide",
  "umber",
  "violet",
  "willow",
];

export function newName() {
  const numbers = crypto.getRandomValues(new Uint32Array(3));
  return `${WORDS[numbers[0] % WORDS.length]}-${WORDS[numbers[1] % WORDS.length]}-${100 + (numbers[2] % 900)}`;
}
