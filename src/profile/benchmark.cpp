#include "profile/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "base/progress.h"

namespace octet::profile {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// In short sleeps, so that an interruption is noticed.
void rest(double ms) {
  constexpr double kSleepMs = 50;
  const Clock::time_point begin = Clock::now();
  const auto left = [&] { return ms - seconds_since(begin) * 1e3; };
  while (left() > 0) {
    throw_if_interrupted();
    std::this_thread::sleep_for(
        std::chrono::duration<double, std::milli>(std::min(left(), kSleepMs)));
  }
}

}  // namespace

BenchmarkResult benchmark(runtime::Session& session, std::span<const Tensor> inputs,
                          const BenchmarkOptions& options) {
  BenchmarkResult result;
  const Clock::time_point begin = Clock::now();
  while (seconds_since(begin) * 1e3 < options.warm_up_ms) {
    throw_if_interrupted();
    rest(options.idle_ms);
    session.run(inputs);
    ++result.warm_up_queries;
  }
  const Clock::time_point start = Clock::now();
  while (static_cast<int64_t>(result.compute_ms.size()) < options.iterations ||
         seconds_since(start) < options.duration_s) {
    throw_if_interrupted();
    rest(options.idle_ms);
    const Clock::time_point query = Clock::now();
    session.run(inputs);
    const double latency_ms = seconds_since(query) * 1e3;
    const runtime::RunTimes times = session.times();
    const bool on_device = times.compute_s > 0;
    result.latency_ms.push_back(latency_ms);
    result.compute_ms.push_back(on_device ? times.compute_s * 1e3 : latency_ms);
    result.upload_ms.push_back(times.upload_s * 1e3);
    result.download_ms.push_back(times.download_s * 1e3);
  }
  result.wall_s = seconds_since(start);
  return result;
}

std::vector<StepTime> time_steps(runtime::Session& session, std::span<const Tensor> inputs,
                                 int repeats) {
  session.time_steps(inputs);
  const runtime::Plan& plan = session.engine().plan();
  std::vector<std::vector<double>> ms(plan.steps.size());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    throw_if_interrupted();
    const std::vector<double> seconds = session.time_steps(inputs);
    for (size_t i = 0; i < seconds.size(); ++i) ms[i].push_back(seconds[i] * 1e3);
  }
  std::vector<StepTime> times;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (plan.steps[i].choice.kernel.empty()) continue;
    const Node& node = plan.graph.node(plan.steps[i].node);
    times.push_back({node.name, node.op, plan.steps[i].choice.kernel, statistics(ms[i], {}).median,
                     session.cost(i)});
  }
  return times;
}

Statistics statistics(std::vector<double> values, std::span<const double> percents) {
  if (values.empty()) fail(ErrorCode::usage, "no query was timed; give --iterations or --duration");
  std::ranges::sort(values);
  const size_t count = values.size();
  Statistics result;
  result.min = values.front();
  result.max = values.back();
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(count);
  result.median = (values[(count - 1) / 2] + values[count / 2]) / 2;
  for (const double percent : percents) {
    if (percent < 0 || percent > 100) {
      fail(ErrorCode::usage, "percentile {} is not between 0 and 100", percent);
    }
    const auto above = static_cast<size_t>((100 - percent) * static_cast<double>(count) / 100);
    result.percentiles.push_back({percent, values[count - 1 - std::min(count - 1, above)]});
  }
  double square = 0;
  for (const double value : values) square += (value - result.mean) * (value - result.mean);
  result.variation = std::sqrt(square / static_cast<double>(count)) / result.mean;
  return result;
}

}  // namespace octet::profile
