// Metrics of the configuration and its reloads.
import { counter, gauge } from "../define-metric.ts";

export const RELOAD_METRICS = {
  reloads: counter(
    "l5d_reloads_total",
    ["result"],
    "Reloads of the configuration by result: applied, unchanged, invalid, failed, refused.",
  ),
  successful: gauge(
    "l5d_reload_successful",
    [],
    "1 when the last attempt to load the configuration succeeded, else 0.",
  ),
  loadedAt: gauge(
    "l5d_config_loaded_time_seconds",
    [],
    "When the configuration in effect was loaded, in seconds since 1970.",
  ),
  generation: gauge(
    "l5d_config_generation",
    [],
    "1 at the start, 1 more with each reload that changed something.",
  ),
} as const;
