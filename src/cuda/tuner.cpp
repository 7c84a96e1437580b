#include "cuda/tuner.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/knob.h"
#include "base/log.h"
#include "base/threads.h"
#include "cuda/stream.h"

namespace octet::cuda {
namespace {

constexpr int kRounds = 7;
/// Runs of one candidate in one round take about so long.
constexpr double kRoundMs = 1.5;

struct Entrant {
  size_t index = 0;
  CompiledKernel kernel;
  Function function;
  int repeats = 1;
  std::vector<double> microseconds;  ///< of one run, a round each
  std::string problem;               ///< why it does not take part

  [[nodiscard]] double median() const {
    std::vector<double> sorted = microseconds;
    std::ranges::sort(sorted);
    return sorted[sorted.size() / 2];
  }
};

std::vector<Entrant> compile_all(const Device& device, const std::vector<Candidate>& candidates) {
  std::vector<Entrant> entrants(candidates.size());
  const std::string arch = device.properties().arch();
  parallel_for(std::ssize(candidates), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Entrant& entrant = entrants[static_cast<size_t>(i)];
      entrant.index = static_cast<size_t>(i);
      try {
        entrant.kernel = compile_kernel(candidates[static_cast<size_t>(i)].source, arch);
      } catch (const Error& error) {
        if (error.code() == ErrorCode::device_unavailable) throw;
        entrant.problem = error.what();
      }
    }
  });
  return entrants;
}

/// Milliseconds of `repeats` runs in a row.
double run_ms(const Device& device, const Entrant& entrant, const Trial& trial,
              CudaStream& stream) {
  const auto begin = make_event(device);
  const auto end = make_event(device);
  check_cuda(driver().event_record(begin.get(), stream.handle()), "timing a kernel");
  for (int i = 0; i < entrant.repeats; ++i) trial(entrant.index, entrant.function, stream.handle());
  check_cuda(driver().event_record(end.get(), stream.handle()), "timing a kernel");
  stream.wait();
  return elapsed_ms(begin, end);
}

void load(const Device& device, const Candidate& candidate, Entrant& entrant, const Trial& trial,
          CudaStream& stream) {
  try {
    entrant.function = Function(device, entrant.kernel.cubin, candidate.source.entry);
    run_ms(device, entrant, trial, stream);
    entrant.repeats = 3;
    const double once = run_ms(device, entrant, trial, stream) / 3;
    entrant.repeats = std::clamp(static_cast<int>(kRoundMs / std::max(once, 1e-3)), 3, 200);
  } catch (const Error& error) {
    entrant.problem = error.what();
  }
}

void time_in_turns(const Device& device, std::vector<Entrant>& entrants, const Trial& trial,
                   CudaStream& stream) {
  for (int round = 0; round < kRounds; ++round) {
    for (Entrant& entrant : entrants) {
      if (!entrant.problem.empty()) continue;
      entrant.microseconds.push_back(run_ms(device, entrant, trial, stream) * 1e3 /
                                     entrant.repeats);
    }
  }
}

std::string explain(const std::vector<Candidate>& candidates,
                    const std::vector<Entrant>& entrants) {
  std::string text;
  for (const Entrant& entrant : entrants) {
    text += fmt::format("{}{} ", text.empty() ? "" : "; ", candidates[entrant.index].words);
    text += entrant.problem.empty() ? fmt::format("{:.1f} us", entrant.median()) : entrant.problem;
  }
  return text;
}

const Entrant& fastest(const std::vector<Entrant>& entrants) {
  const Entrant* best = nullptr;
  for (const Entrant& entrant : entrants) {
    if (!entrant.problem.empty()) continue;
    if (best == nullptr || entrant.median() < best->median()) best = &entrant;
  }
  if (best == nullptr) {
    fail(ErrorCode::failed, "no way to compute it works on this device: {}",
         entrants.front().problem);
  }
  return *best;
}

std::string cache_key(const Device& device, const Json& key,
                      const std::vector<Candidate>& candidates) {
  std::string text =
      fmt::format("{}\n{}\n{}\n{}", device.properties().name, device.properties().multiprocessors,
                  compiler().version, key.dump());
  for (const Candidate& candidate : candidates) text += full_text(candidate.source);
  const Hash128 hash = hash128(std::as_bytes(std::span(text)));
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

/// Outcomes of timings, in memory and in the cache folder, a small file each.
class TimingCache {
 public:
  std::optional<Json> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(key);
    if (found != known_.end()) return found->second;
    const std::filesystem::path path = path_of(key);
    if (!file_exists(path)) return std::nullopt;
    try {
      return known_.emplace(key, parse_json(read_text(path), path.string())).first->second;
    } catch (const Error& error) {
      log_debug("timing cache: {}", error.what());
      return std::nullopt;
    }
  }
  /// A cache that cannot be written costs time, nothing else.
  void keep(const std::string& key, const Json& outcome) {
    const std::lock_guard lock(mutex_);
    known_[key] = outcome;
    try {
      write_text(path_of(key), outcome.dump());
    } catch (const Error& error) {
      log_debug("timing cache: {}", error.what());
    }
  }

 private:
  static std::filesystem::path path_of(const std::string& key) {
    return cache_folder() / "timings" / (key + ".json");
  }
  std::mutex mutex_;
  std::map<std::string, Json> known_;
};

TimingCache& timing_cache() {
  static TimingCache cache;
  return cache;
}

Tuned outcome(const Device& device, const std::vector<Candidate>& candidates, const Json& known) {
  const auto index = known.at("candidate").get<size_t>();
  const Candidate& winner = candidates.at(index);
  return {winner.tactic, compile_kernel(winner.source, device.properties().arch()).cubin,
          known.at("microseconds").get<double>(), known.at("explanation").get<std::string>()};
}

Json race(const Device& device, const std::vector<Candidate>& candidates, const Trial& trial) {
  std::vector<Entrant> entrants = compile_all(device, candidates);
  CudaStream stream(device);
  for (Entrant& entrant : entrants) {
    if (entrant.problem.empty()) load(device, candidates[entrant.index], entrant, trial, stream);
  }
  time_in_turns(device, entrants, trial, stream);
  const Entrant& best = fastest(entrants);
  return {{"candidate", best.index},
          {"microseconds", best.median()},
          {"explanation", explain(candidates, entrants)}};
}

}  // namespace

Tuned tune(const Device& device, const Json& key, const std::vector<Candidate>& candidates,
           const Trial& trial) {
  check(!candidates.empty(), "nothing to choose from");
  if (candidates.size() == 1) {
    return outcome(device, candidates,
                   {{"candidate", 0}, {"microseconds", 0.0}, {"explanation", "the only way"}});
  }
  const std::string file = cache_key(device, key, candidates);
  if (const auto known = timing_cache().find(file)) return outcome(device, candidates, *known);
  const Json result = race(device, candidates, trial);
  timing_cache().keep(file, result);
  return outcome(device, candidates, result);
}

}  // namespace octet::cuda
