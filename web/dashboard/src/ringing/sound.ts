/**
 * The bell: two tones, higher for what is worse, made by the browser itself (no file to load).
 *
 * Browsers let a page sound only after somebody has touched it; before that the bell is silent, which the bar shows.
 * Of what rang meanwhile the last one rings then, and not all of them at once.
 */
import { useSyncExternalStore } from "react";

import type { Severity } from "../alerts.ts";

const TONES: Record<Severity, readonly [number, number]> = {
  info: [440, 440],
  warning: [523, 440],
  error: [659, 523],
  critical: [880, 659],
};
const TONE_S = 0.18;
const LOUDNESS = 0.12;
// A storm is one bell, not a hundred at once.
const PAUSE_MS = 2_000;

let context: AudioContext | undefined;
let lastAt = 0;
let newest = 0;

export function ring(severity: Severity): void {
  const now = Date.now();
  if (now - lastAt < PAUSE_MS) return;
  lastAt = now;
  const number = ++newest;
  const audio = (context ??= new AudioContext());
  void audio.resume().then(() => number === newest && play(audio, severity));
}

function play(audio: AudioContext, severity: Severity): void {
  TONES[severity].forEach((frequency, index) => tone(audio, frequency, index * TONE_S));
}

/** Whether the browser lets the page sound. */
export function useMaySound(): boolean {
  return useSyncExternalStore(onTouch, maySound);
}

/** Some do without a touch, because somebody has told them to; that is known after the first bell. */
function maySound(): boolean {
  const activation = navigator.userActivation as UserActivation | undefined;
  return context?.state === "running" || (activation?.hasBeenActive ?? true);
}

function onTouch(tell: () => void): () => void {
  const events = ["pointerup", "keyup"];
  events.forEach((name) => document.addEventListener(name, tell));
  return () => events.forEach((name) => document.removeEventListener(name, tell));
}

/** Fades in and out: a tone that is cut clicks. */
function tone(audio: AudioContext, frequency: number, after: number): void {
  const begin = audio.currentTime + after;
  const oscillator = new OscillatorNode(audio, { frequency, type: "triangle" });
  const loudness = new GainNode(audio, { gain: 0 });
  loudness.gain.linearRampToValueAtTime(LOUDNESS, begin + 0.02);
  loudness.gain.setValueAtTime(LOUDNESS, begin + TONE_S - 0.04);
  loudness.gain.linearRampToValueAtTime(0, begin + TONE_S);
  oscillator.connect(loudness).connect(audio.destination);
  oscillator.start(begin);
  oscillator.stop(begin + TONE_S);
}
