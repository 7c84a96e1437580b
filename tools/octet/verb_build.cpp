#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "api/artifacts.h"
#include "api/backends.h"
#include "onnx/import.h"
#include "tools/octet/output.h"
#include "tools/octet/shapes.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

struct BuildFlags {
  std::string model;
  std::string output;
  std::string backend = "auto";
  std::vector<std::string> disabled;
  ShapeFlags shapes;
  bool explain = false;
};

/// Of kernels that were chosen by timing: the candidates and their times, once for equal nodes.
void print_tactics(const runtime::Plan& plan) {
  std::set<std::string> told;
  for (const runtime::Step& step : plan.steps) {
    for (const Json& way : step.choice.tactic) {
      if (!way.contains("explanation") || !told.insert(way.dump()).second) continue;
      print("{}, up to {} rows: {} in {:.1f} us, of: {}\n", plan.graph.node(step.node).name,
            way.at("max_rows").get<int64_t>(), way.at("tactic").dump(), way.at("us").get<double>(),
            way.at("explanation").get<std::string>());
    }
  }
}

void print_explanation(const runtime::Plan& plan) {
  Table table({"node", "operator", "kernel", "passed over"});
  for (const runtime::Step& step : plan.steps) {
    const Node& node = plan.graph.node(step.node);
    std::string refusals;
    for (const auto& refusal : step.choice.refusals) {
      refusals +=
          fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", refusal.kernel, refusal.reason);
    }
    table.add_row(
        {node.name, node.op, step.choice.kernel.empty() ? "(view)" : step.choice.kernel, refusals});
  }
  print_text(table.text());
  for (const std::string& remark : api::backend(plan.backend).remarks(plan)) print("{}\n", remark);
  print_tactics(plan);
}

/// Says what would else only be seen in the time that the engine takes.
void print_generic_kernels(const runtime::Plan& plan) {
  const auto generic = std::ranges::count_if(plan.steps, [](const runtime::Step& step) {
    return step.choice.kernel.starts_with("generic.");
  });
  if (generic == 0) return;
  print("{} of {} steps are on generic kernels; --explain says which, and why\n", generic,
        plan.steps.size());
}

OrderedJson facts_of(const runtime::Plan& plan, const std::string& file) {
  return {{"file", file},
          {"bytes", std::filesystem::file_size(file)},
          {"target", plan.target},
          {"steps", plan.steps.size()},
          {"arena_bytes", plan.arena_bytes},
          {"workspace_bytes", plan.workspace_bytes},
          {"products", plan.facts.at("products")},
          {"products_fp8", plan.facts.at("products_fp8")},
          {"attentions", plan.facts.at("attentions")},
          {"attentions_fp8", plan.facts.at("attentions_fp8")}};
}

void build(const BuildFlags& flags, const Context& context) {
  api::BuildOptions options;
  options.backend = flags.backend;
  options.disabled_passes = flags.disabled;
  options.symbols = symbol_ranges(onnx::import_file(flags.model).graph, flags.shapes);
  const runtime::Plan plan = api::build_plan_file(flags.model, flags.output, options);
  const OrderedJson facts = facts_of(plan, flags.output);
  if (context.json) return print_json(facts);
  if (flags.explain) print_explanation(plan);
  print("{}  {}, for {}: {} steps, {} of {} products and {} of {} attention blocks in FP8\n",
        flags.output, size_text(facts["bytes"].get<uint64_t>()), plan.target, plan.steps.size(),
        facts["products_fp8"].get<int64_t>(), facts["products"].get<int64_t>(),
        facts["attentions_fp8"].get<int64_t>(), facts["attentions"].get<int64_t>());
  if (!flags.explain) print_generic_kernels(plan);
}

}  // namespace

void add_build(CLI::App& app, Context& context) {
  auto flags = std::make_shared<BuildFlags>();
  CLI::App* verb = add_verb(app, context, "build", "compile an ONNX file into a plan",
                            [flags, &context] { build(*flags, context); });
  verb->add_option("FILE", flags->model, "ONNX file")->required();
  verb->add_option("-o,--output", flags->output, "plan to write")->required();
  verb->add_option("--shapes", flags->shapes.shapes, "NAME:1x3x224x224, fixes dynamic dimensions");
  verb->add_option("--minShapes", flags->shapes.min, "smallest shapes of a range");
  verb->add_option("--optShapes", flags->shapes.opt, "shapes to tune for");
  verb->add_option("--maxShapes", flags->shapes.max, "largest shapes of a range");
  verb->add_option("--backend", flags->backend, "auto, cpu, cuda or reference")
      ->capture_default_str();
  verb->add_option("--disable-pass", flags->disabled, "graph pass to skip (repeatable)");
  verb->add_flag("--explain", flags->explain, "say which kernel was taken and why not another");
}

}  // namespace octet::cli
