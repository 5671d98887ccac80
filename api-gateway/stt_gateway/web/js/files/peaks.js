// Waveform of a recording: the loudness of each part. Pure.

/** `samples`: Float32Array -> `count` numbers, 0 to 1, the loudest 1. */
export function peaks(samples, count) {
  const found = new Float32Array(count);
  const size = samples.length / count;
  let most = 0;
  for (let i = 0; i < count; i += 1) {
    const end = Math.floor((i + 1) * size);
    let sum = 0,
      n = 0;
    // A few hundred samples per part are as good as all of them.
    for (let k = Math.floor(i * size), step = Math.max(1, Math.floor(size / 400)); k < end; k += step) {
      sum += samples[k] * samples[k];
      n += 1;
    }
    found[i] = n ? Math.sqrt(sum / n) : 0;
    most = Math.max(most, found[i]);
  }
  return most ? found.map((value) => value / most) : found;
}

/** The last index whose start is not after `time`; -1 before the first. `starts` ascend. */
export function indexAt(starts, time) {
  let low = 0,
    high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
