#include <chrono>
#include <ctime>
#include <memory>

#include "api/artifacts.h"
#include "api/backends.h"
#include "base/error.h"
#include "base/files.h"
#include "onnx/import.h"
#include "ops/ops.h"
#include "profile/benchmark.h"
#include "tools/octet/numbers.h"
#include "tools/octet/output.h"
#include "tools/octet/shapes.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

struct BenchFlags {
  std::string onnx;
  std::string load_engine;
  std::string save_engine;
  std::string load_inputs;
  std::string backend = "auto";
  ShapeFlags shapes;
  profile::BenchmarkOptions options;
  std::vector<double> percentiles{90, 95, 99};
  uint64_t seed = 0;
  bool strongly_typed = false;
  bool dump_profile = false;
};

/// trtexec's line: "[MM/DD/YYYY-HH:MM:SS] [I] text".
void line(const std::string& text) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm local{};
  ::localtime_r(&now, &local);
  char stamp[32];
  std::strftime(stamp, sizeof(stamp), "%m/%d/%Y-%H:%M:%S", &local);
  print("[{}] [I] {}\n", stamp, text);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void check_flags(const BenchFlags& flags) {
  if (flags.onnx.empty() == flags.load_engine.empty()) {
    fail(ErrorCode::usage, "give either --onnx=FILE or --loadEngine=FILE");
  }
  if (!flags.save_engine.empty() && flags.onnx.empty()) {
    fail(ErrorCode::usage, "--saveEngine goes with --onnx");
  }
}

runtime::Plan make_plan(const BenchFlags& flags, bool quiet) {
  const auto start = std::chrono::steady_clock::now();
  if (!flags.load_engine.empty()) {
    runtime::Plan plan = runtime::load_plan(flags.load_engine);
    if (!quiet) line(fmt::format("Engine deserialized in {:.6g} sec.", seconds_since(start)));
    return plan;
  }
  api::BuildOptions options;
  options.backend = flags.backend;
  options.symbols = symbol_ranges(onnx::import_file(flags.onnx).graph, flags.shapes);
  runtime::Plan plan = flags.save_engine.empty()
                           ? api::build_plan(flags.onnx, options)
                           : api::build_plan_file(flags.onnx, flags.save_engine, options);
  if (!quiet) line(fmt::format("Engine built in {:.6g} sec.", seconds_since(start)));
  return plan;
}

/// The shapes to run: --shapes, else --optShapes, else the plan's optimum.
std::vector<Shape> run_shapes(const runtime::Plan& plan, const ShapeFlags& flags) {
  SymbolSizes optimum;
  for (const auto& [name, range] : plan.symbols) optimum[name] = range.opt;
  std::vector<Shape> shapes;
  for (const ValueId input : plan.graph.inputs()) {
    const Value& value = plan.graph.value(input);
    std::optional<Shape> shape = shape_for(flags.shapes, value.name);
    if (!shape) shape = shape_for(flags.opt, value.name);
    if (!shape) shape = to_shape(octet::bind(value.dims, optimum));
    check(shape.has_value(), "no size for input '{}'", value.name);
    shapes.push_back(*shape);
  }
  return shapes;
}

/// "name:file,name:file": raw little-endian bytes in the input's dtype and shape.
void load_inputs(const std::string& spec, const Graph& graph, std::vector<Tensor>& inputs) {
  std::string rest = spec;
  while (!rest.empty()) {
    const std::string part = rest.substr(0, rest.find(','));
    rest = part.size() == rest.size() ? "" : rest.substr(part.size() + 1);
    const size_t colon = part.find(':');
    if (colon == std::string::npos) {
      fail(ErrorCode::usage, "--loadInputs is written NAME:FILE[,NAME:FILE], not '{}'", spec);
    }
    const std::string name = part.substr(0, colon);
    const auto file = MappedFile::open(part.substr(colon + 1));
    bool found = false;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (graph.value(graph.inputs()[i]).name != name) continue;
      if (file->bytes().size() != inputs[i].size_bytes()) {
        fail_input("'{}' has {} bytes, but input '{}' {} {} needs {}", file->path().string(),
                   file->bytes().size(), name, name_of(inputs[i].dtype()),
                   to_string(inputs[i].shape()), inputs[i].size_bytes());
      }
      inputs[i] = Tensor::view(inputs[i].dtype(), inputs[i].shape(), file->bytes(), file);
      found = true;
    }
    if (!found) fail(ErrorCode::usage, "there is no input '{}' to load", name);
  }
}

std::string statistics_text(const profile::Statistics& statistics) {
  std::string text =
      fmt::format("min = {:.6g} ms, max = {:.6g} ms, mean = {:.6g} ms, median = {:.6g} ms",
                  statistics.min, statistics.max, statistics.mean, statistics.median);
  for (const profile::Percentile& percentile : statistics.percentiles) {
    text += fmt::format(", percentile({:g}%) = {:.6g} ms", percentile.percent, percentile.value);
  }
  return text;
}

/// trtexec's lines: transfers stand apart where the kernels run on a device.
void print_times(const profile::BenchmarkResult& result, const profile::Statistics& compute,
                 const std::vector<double>& percents, bool on_device) {
  const auto print_one = [&](std::string_view name, const std::vector<double>& values) {
    line(fmt::format("{}: {}", name, statistics_text(profile::statistics(values, percents))));
  };
  print_one("Latency", result.latency_ms);
  if (on_device) print_one("H2D Latency", result.upload_ms);
  line(fmt::format("{}: {}", on_device ? "GPU Compute Time" : "Compute Time",
                   statistics_text(compute)));
  if (on_device) print_one("D2H Latency", result.download_ms);
}

void print_summary(const profile::BenchmarkResult& result, const profile::Statistics& statistics,
                   const std::vector<double>& percents, bool on_device) {
  const auto queries = static_cast<double>(result.compute_ms.size());
  line(fmt::format("Warmup completed {} queries", result.warm_up_queries));
  line(fmt::format("Timing trace has {} queries over {:.6g} s", result.compute_ms.size(),
                   result.wall_s));
  line("");
  line("=== Performance summary ===");
  line(fmt::format("Throughput: {:.6g} qps", queries / result.wall_s));
  print_times(result, statistics, percents, on_device);
  line(fmt::format("Total Host Walltime: {:.6g} s", result.wall_s));
  line(fmt::format("Total Compute Time: {:.6g} s", statistics.mean * queries / 1e3));
  constexpr double kUnstable = 0.025;
  if (statistics.variation > kUnstable) {
    line(fmt::format("Compute time is unstable, with coefficient of variance = {:.3g} %",
                     100 * statistics.variation));
  }
}

/// trtexec's --dumpProfile: every step, and the sum.
void print_profile(const std::vector<profile::StepTime>& times) {
  double sum = 0;
  for (const profile::StepTime& time : times) sum += time.median_ms;
  Table table({"median ms", "time %", "TFLOP/s", "GB/s", "kernel", "layer"});
  for (const profile::StepTime& time : times) {
    table.add_row(
        {fmt::format("{:.4f}", time.median_ms), fmt::format("{:.1f}", 100 * time.median_ms / sum),
         fmt::format("{:.3g}", time.cost.flops / time.median_ms / 1e9),
         fmt::format("{:.3g}", time.cost.bytes / time.median_ms / 1e6), time.kernel, time.node});
  }
  line("=== Profile: every layer run and waited for by itself ===");
  print("{}", table.text());
  line(fmt::format("Sum of medians: {:.6g} ms", sum));
}

OrderedJson document_of(const profile::BenchmarkResult& result,
                        const profile::Statistics& statistics, const runtime::Plan& plan,
                        const std::vector<Shape>& shapes) {
  OrderedJson percentiles;
  for (const auto& [percent, value] : statistics.percentiles) {
    percentiles[fmt::format("{:g}", percent)] = value;
  }
  return {{"target", plan.target},
          {"shapes", shapes},
          {"queries", result.compute_ms.size()},
          {"throughput_qps", static_cast<double>(result.compute_ms.size()) / result.wall_s},
          {"compute_ms",
           {{"min", statistics.min},
            {"max", statistics.max},
            {"mean", statistics.mean},
            {"median", statistics.median},
            {"percentiles", percentiles},
            {"variation", statistics.variation}}}};
}

OrderedJson document_of(const std::vector<profile::StepTime>& times) {
  OrderedJson layers = OrderedJson::array();
  for (const profile::StepTime& time : times) {
    layers.push_back({{"layer", time.node},
                      {"operator", time.op},
                      {"kernel", time.kernel},
                      {"median_ms", time.median_ms},
                      {"flops", time.cost.flops},
                      {"bytes", time.cost.bytes}});
  }
  return layers;
}

void bench(const BenchFlags& flags, const Context& context) {
  check_flags(flags);
  runtime::Plan plan = make_plan(flags, context.json);
  const std::vector<Shape> shapes = run_shapes(plan, flags.shapes);
  std::vector<Tensor> inputs = profile::random_inputs(plan.graph, shapes, flags.seed);
  load_inputs(flags.load_inputs, plan.graph, inputs);
  const runtime::Backend& backend = api::backend_for(flags.backend, plan);
  const auto engine = runtime::Engine::load(std::move(plan), backend);
  runtime::Session session(engine);
  if (!context.json) {
    for (size_t i = 0; i < shapes.size(); ++i) {
      line(fmt::format("Input {} has shape {} (random values, seed {}, unless loaded)",
                       engine->graph().value(engine->graph().inputs()[i]).name,
                       fmt::join(shapes[i], "x"), flags.seed));
    }
    line("Starting inference");
  }
  const auto result = profile::benchmark(session, inputs, flags.options);
  const auto statistics = profile::statistics(result.compute_ms, flags.percentiles);
  std::vector<profile::StepTime> layers;
  if (flags.dump_profile) layers = profile::time_steps(session, inputs, 10);
  if (context.json) {
    OrderedJson document = document_of(result, statistics, engine->plan(), shapes);
    if (flags.dump_profile) document["profile"] = document_of(layers);
    return print_json(document);
  }
  print_summary(result, statistics, flags.percentiles, engine->plan().backend == "cuda");
  if (flags.dump_profile) print_profile(layers);
}

}  // namespace

void add_bench(CLI::App& app, Context& context) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb = add_verb(app, context, "bench", "time an ONNX file or a plan, trtexec's way",
                            [flags, &context] { bench(*flags, context); });
  verb->add_option("--onnx", flags->onnx, "ONNX file to build and time");
  verb->add_option("--loadEngine", flags->load_engine, "plan to time");
  verb->add_option("--saveEngine", flags->save_engine, "write the plan built from --onnx");
  verb->add_option("--shapes", flags->shapes.shapes, "NAME:1x3x224x224[,NAME:...]");
  verb->add_option("--minShapes", flags->shapes.min, "smallest shapes of a range");
  verb->add_option("--optShapes", flags->shapes.opt, "shapes to tune for and to run");
  verb->add_option("--maxShapes", flags->shapes.max, "largest shapes of a range");
  verb->add_option("--loadInputs", flags->load_inputs, "NAME:FILE[,NAME:FILE], raw values");
  verb->add_option("--iterations", flags->options.iterations, "at least this many queries")
      ->check(not_negative())
      ->capture_default_str();
  verb->add_option("--duration", flags->options.duration_s, "at least this many seconds")
      ->check(not_negative())
      ->capture_default_str();
  verb->add_option("--warmUp", flags->options.warm_up_ms, "milliseconds that are not counted")
      ->check(not_negative())
      ->capture_default_str();
  verb->add_option("--idleTime", flags->options.idle_ms, "milliseconds of rest before every query")
      ->check(not_negative())
      ->capture_default_str();
  verb->add_option("--percentile", flags->percentiles, "percentiles to print")->delimiter(',');
  verb->add_option("--seed", flags->seed, "seed of the random inputs")->capture_default_str();
  verb->add_option("--backend", flags->backend, "auto, cpu, cuda or reference")
      ->capture_default_str();
  verb->add_flag("--dumpProfile", flags->dump_profile, "also time every layer by itself");
  verb->add_flag("--stronglyTyped", flags->strongly_typed,
                 "accepted for trtexec's sake: graphs are always strongly typed here");
}

}  // namespace octet::cli
