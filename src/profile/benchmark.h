#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/engine.h"

namespace octet::profile {

/// trtexec's meaning: the loop ends when both the iterations and warm-up plus duration are done;
/// queries that began during the warm-up are dropped.
struct BenchmarkOptions {
  int64_t iterations = 10;
  double duration_s = 3;
  double warm_up_ms = 200;
  double idle_ms = 0;  ///< rest before every query: a processor at its power limit slows down
};

struct BenchmarkResult {
  // One per query, in order.
  std::vector<double> compute_ms;  ///< of the kernels alone, by the device's clock where it has one
  std::vector<double> latency_ms;  ///< from handing over the inputs to having the outputs
  std::vector<double> upload_ms;   ///< inputs to the device; zeros on the host
  std::vector<double> download_ms;  ///< outputs back; zeros on the host
  int64_t warm_up_queries = 0;
  double wall_s = 0;  ///< first query after the warm-up to the end of the last
};

/// Runs the session on the same inputs over and over. Interruptible.
BenchmarkResult benchmark(runtime::Session& session, std::span<const Tensor> inputs,
                          const BenchmarkOptions& options);

struct StepTime {
  std::string node;
  std::string op;
  std::string kernel;
  double median_ms = 0;
  Cost cost;  ///< of the run: what a kernel's share of the machine's peak is reckoned from
};

/// Every step that has a kernel, with its median time over `repeats` runs after a first one.
std::vector<StepTime> time_steps(runtime::Session& session, std::span<const Tensor> inputs,
                                 int repeats);

struct Percentile {
  double percent = 0;
  double value = 0;
};

struct Statistics {
  double min = 0;
  double max = 0;
  double mean = 0;
  double median = 0;
  /// sorted[n - 1 - floor((1 - p / 100) n)], as trtexec takes it
  std::vector<Percentile> percentiles;
  double variation = 0;  ///< standard deviation / mean
};

/// Throws `Error(usage)` for no values or a percentile outside 0 to 100.
Statistics statistics(std::vector<double> values, std::span<const double> percents);

/// Inputs for a benchmark, seeded: floats uniform in (-1, 1), token ids inside the table that they
/// index, each text ending with its end token at the last position, so that nothing is skipped.
/// `shapes` holds one shape per graph input.
std::vector<Tensor> random_inputs(const Graph& lowered, std::span<const Shape> shapes,
                                  uint64_t seed);

}  // namespace octet::profile
