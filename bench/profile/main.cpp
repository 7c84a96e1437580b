// octet_profile PLAN...: times plans of the CPU backend in turns, so that whatever else the machine
// does meets all of them alike, and shows where the time of each goes: per operator and size, the
// shortest of all rounds, FLOP/s, bytes/s and the share of the peak that registers alone reach.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <numeric>
#include <vector>

#include "base/threads.h"
#include "bench/model_run.h"
#include "bench/peak.h"
#include "cpu/backend.h"
#include "cpu/matrix.h"
#include "ops/ops.h"
#include "runtime/engine.h"

namespace octet::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::vector<std::string> plans;
  int64_t batch = 1;
  int64_t tokens = 0;     ///< of each text; 0: the whole context
  std::string captions;   ///< dataset whose captions give the lengths
  std::string tokenizer;  ///< folder; empty: that of the first plan
  int rounds = 20;
  bool steps = false;
  bool by_step = false;
  bool on_demand = false;
  bool floor = false;
};

struct StepTime {
  double seconds = 1e30;  ///< shortest
  Cost cost;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Lengths of the texts; empty where they fill the whole context.
std::vector<int64_t> text_lengths(const Options& options) {
  if (options.tokens > 0) return {options.tokens};
  if (options.captions.empty()) return {};
  const std::filesystem::path plan = options.plans.front();
  const std::filesystem::path tokenizer =
      options.tokenizer.empty() ? plan.parent_path() : std::filesystem::path(options.tokenizer);
  return caption_lengths(options.captions, tokenizer, options.batch);
}

/// One plan that is timed.
class Candidate {
 public:
  Candidate(std::string path, int64_t batch, std::span<const int64_t> lengths)
      : path_(std::move(path)) {
    const auto start = Clock::now();
    engine_ = runtime::Engine::load(runtime::load_plan(path_), backend_);
    load_s_ = seconds_since(start);
    session_ = std::make_unique<runtime::Session>(engine_);
    inputs_ = model_inputs(engine_->graph(), batch, lengths);
  }

  double run() {
    const auto start = Clock::now();
    session_->run(inputs_);
    runs_.push_back(seconds_since(start));
    return runs_.back();
  }

  void run_steps() {
    auto last = Clock::now();
    const Graph& graph = engine_->graph();
    session_->set_hook([&](const Node& node, std::span<const runtime::Operand> inputs,
                           std::span<const runtime::Operand> outputs) {
      StepTime& time = steps_[*graph.find_node(node.name)];
      time.seconds = std::min(time.seconds, seconds_since(last));
      time.cost = cost_of_run(node, inputs, outputs);
      last = Clock::now();
    });
    session_->run(inputs_);
    session_->set_hook({});
  }

  /// Seconds that the operations of a run of an FP8 plan take as dot instructions on registers
  /// alone.
  double run_floor() {
    if (flops_ == 0) flops_ = flops_of_run(*session_, inputs_);
    return e4m3_floor(cpu::matrix_set().name, flops_);
  }

  void report(const Options& options, double peak) {
    std::ranges::sort(runs_);
    fmt::print("{}: load {:.1f} ms, run min {:.2f} ms, median {:.2f} ms of {}\n", path_,
               load_s_ * 1e3, runs_.front() * 1e3, runs_[runs_.size() / 2] * 1e3, runs_.size());
    if (options.steps) print_steps(options, peak);
  }

 private:
  [[nodiscard]] std::string label(NodeId id, const Options& options) const {
    const Node& node = engine_->graph().node(id);
    if (options.by_step) return node.name;
    const Graph& graph = engine_->graph();
    std::string dtype(name_of(graph.value(node.outputs[0]).dtype));
    return fmt::format("{} {} -> {}", node.op, to_string(graph.value(node.inputs[0]).dims),
                       to_string(graph.value(node.outputs[0]).dims) + " " + dtype);
  }

  void print_steps(const Options& options, double peak) const {
    struct Sum {
      double seconds = 0;
      Cost cost;
      int count = 0;
    };
    std::map<std::string, Sum> sums;
    double total = 0;
    for (const auto& [id, step] : steps_) {
      Sum& sum = sums[label(id, options)];
      sum.seconds += step.seconds;
      sum.cost.flops += step.cost.flops;
      sum.cost.bytes += step.cost.bytes;
      ++sum.count;
      total += step.seconds;
    }
    std::vector<std::pair<std::string, Sum>> sorted(sums.begin(), sums.end());
    std::ranges::sort(sorted, std::greater<>(),
                      [](const auto& entry) { return entry.second.seconds; });
    fmt::print("{:>10} {:>6} {:>5} {:>9} {:>7} {:>7}  step\n", "ms", "share", "times", "GFLOP/s",
               "of peak", "GB/s");
    for (const auto& [name, sum] : sorted) {
      fmt::print("{:10.3f} {:5.1f}% {:5} {:9.1f} {:6.1f}% {:7.1f}  {}\n", sum.seconds * 1e3,
                 100 * sum.seconds / total, sum.count, sum.cost.flops / sum.seconds / 1e9,
                 100 * sum.cost.flops / sum.seconds / peak, sum.cost.bytes / sum.seconds / 1e9,
                 name);
    }
    fmt::print("{:10.3f} sum of shortest times\n", total * 1e3);
  }

  std::string path_;
  cpu::CpuBackend backend_;
  std::shared_ptr<const runtime::Engine> engine_;
  std::unique_ptr<runtime::Session> session_;
  std::vector<Tensor> inputs_;
  std::vector<double> runs_;
  std::map<NodeId, StepTime> steps_;
  double load_s_ = 0;
  double flops_ = 0;
};

void run(const Options& options) {
  const std::vector<int64_t> lengths = text_lengths(options);
  std::vector<std::unique_ptr<Candidate>> candidates;
  for (const std::string& path : options.plans) {
    candidates.push_back(std::make_unique<Candidate>(path, options.batch, lengths));
  }
  for (std::string line; options.on_demand && std::getline(std::cin, line);) {
    Candidate& first = *candidates.front();
    fmt::print("{:.3f}\n", (options.floor ? first.run_floor() : first.run()) * 1e3);
    std::fflush(stdout);
  }
  if (options.on_demand) return;
  for (int round = 0; round < options.rounds; ++round) {
    for (const auto& candidate : candidates) candidate->run();
    for (const auto& candidate : candidates) {
      if (options.steps) candidate->run_steps();
    }
  }
  if (!options.captions.empty()) {
    const auto tokens = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
    fmt::print("{} captions, {:.1f} tokens each\n", lengths.size(),
               static_cast<double>(tokens) / static_cast<double>(lengths.size()));
  }
  const double peak = options.steps ? e4m3_peak(cpu::matrix_set().name) : 0;
  if (options.steps)
    fmt::print("peak {:.0f} GFLOP/s with {} threads\n", peak / 1e9, thread_count());
  for (const auto& candidate : candidates) candidate->report(options, peak);
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  octet::bench::Options options;
  CLI::App app("times plans of the CPU backend in turns, step by step");
  app.add_option("plans", options.plans, "plan files")->required();
  app.add_option("--batch", options.batch, "samples in one run");
  app.add_option("--tokens", options.tokens, "tokens of each text, start and end included");
  app.add_option("--captions", options.captions,
                 "texts are as long as the captions of this dataset (text file, COCO captions)");
  app.add_option("--tokenizer", options.tokenizer,
                 "folder of the tokenizer for --captions; that of the first plan when left out");
  app.add_option("--rounds", options.rounds, "runs of each plan");
  app.add_flag("--steps", options.steps, "where the time goes, steps of the same sizes summed up");
  app.add_flag("--by-step", options.by_step, "every step by its name");
  CLI::Option* on_demand = app.add_flag(
      "--on-demand", options.on_demand,
      "runs the first plan once for every line of standard input and prints milliseconds");
  app.add_flag("--floor", options.floor,
               "with --on-demand: times the products of an FP8 plan as dot instructions on "
               "registers alone")
      ->needs(on_demand);
  CLI11_PARSE(app, argc, argv);
  try {
    octet::bench::run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "octet_profile: {}\n", error.what());
    return 1;
  }
  return 0;
}
