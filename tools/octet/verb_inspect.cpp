#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "api/model_folder.h"
#include "base/error.h"
#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "data/preprocess.h"
#include "models/clip.h"
#include "onnx/import.h"
#include "passes/precision.h"
#include "runtime/plan.h"
#include "tensor/codecs.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

namespace fs = std::filesystem;

struct InspectFlags {
  std::string path;
  bool explain = false;
};

/// One section of the report: a title, a table for people, rows for machines.
struct Section {
  std::string title;
  std::vector<std::string> heading;
  std::vector<std::vector<std::string>> rows;
};

using Report = std::vector<Section>;

void print_report(const Report& report) {
  for (const Section& section : report) {
    Table table(section.heading);
    for (const auto& row : section.rows) table.add_row(row);
    print("{}\n{}\n", section.title, table.text());
  }
}

OrderedJson report_json(const Report& report) {
  OrderedJson document;
  for (const Section& section : report) {
    OrderedJson rows = OrderedJson::array();
    for (const auto& row : section.rows) {
      OrderedJson object;
      for (size_t i = 0; i < row.size(); ++i) object[section.heading[i]] = row[i];
      rows.push_back(std::move(object));
    }
    document[section.title] = std::move(rows);
  }
  return document;
}

struct Tally {
  int64_t tensors = 0;
  uint64_t bytes = 0;
};

Section sizes_section(const std::map<std::string, Tally>& tallies) {
  Section section{"sizes", {"dtype", "tensors", "bytes"}, {}};
  Tally total;
  for (const auto& [dtype, tally] : tallies) {
    section.rows.push_back({dtype, std::to_string(tally.tensors), size_text(tally.bytes)});
    total.tensors += tally.tensors;
    total.bytes += tally.bytes;
  }
  section.rows.push_back({"all", std::to_string(total.tensors), size_text(total.bytes)});
  return section;
}

template <typename Tensors>
Section tensors_section(const Tensors& tensors) {
  Section section{"tensors", {"name", "dtype", "shape"}, {}};
  for (const auto& [name, tensor] : tensors) {
    section.rows.push_back({name, std::string(name_of(tensor.dtype())), to_string(tensor.shape())});
  }
  return section;
}

template <typename Tensors>
std::map<std::string, Tally> tally(const Tensors& tensors) {
  std::map<std::string, Tally> tallies;
  for (const auto& [name, tensor] : tensors) {
    Tally& row = tallies[std::string(name_of(tensor.dtype()))];
    ++row.tensors;
    row.bytes += tensor.size_bytes();
  }
  return tallies;
}

std::string scale_text(const checkpoint::StoredQuantizer& quantizer) {
  if (quantizer.dynamic_per_token) return "dynamic, per token";
  if (quantizer.scale.count() == 0) return "none";
  if (quantizer.scale.count() > 1) return fmt::format("per channel, {}", quantizer.scale.count());
  return fmt::format("{:.6g}", element_as_f32(quantizer.scale, 0));
}

Section quantizers_section(const checkpoint::StoredQuantization& quantization) {
  Section section{"quantizers", {"quantizer", "enabled", "scale"}, {}};
  for (const auto& [name, quantizer] : quantization.quantizers) {
    section.rows.push_back({name, quantizer.enabled ? "yes" : "no", scale_text(quantizer)});
  }
  return section;
}

Section notices_section(const std::vector<std::string>& notices) {
  Section section{"notices", {"notice"}, {}};
  for (const std::string& notice : notices) section.rows.push_back({notice});
  return section;
}

std::string transformer_text(const models::TransformerConfig& config) {
  return fmt::format("width {}, {} layers, {} heads of {}, ffn {}", config.width, config.layers,
                     config.heads, config.head_dim(), config.ffn);
}

Section model_section(const models::ClipModel& model) {
  const models::ClipConfig& config = model.config();
  const Json json = config.to_json("");
  const auto preprocess = data::Preprocessor::from_folder(
      model.checkpoint().folder, static_cast<int>(config.vision.image_size));
  Section section{"model", {"fact", "value"}, {}};
  section.rows = {
      {"text", transformer_text(config.text.transformer)},
      {"image", transformer_text(config.vision.transformer)},
      {"image input",
       fmt::format("{0}x{0} in patches of {1}", config.vision.image_size, config.vision.patch)},
      {"text input", fmt::format("{} tokens of {}", config.text.context, config.text.vocabulary)},
      {"projection", std::to_string(config.projection)},
      {"activation", json["text_config"]["hidden_act"].get<std::string>() + ", " +
                         json["vision_config"]["hidden_act"].get<std::string>()},
      {"image mean", fmt::format("{}", fmt::join(preprocess.mean, ", "))},
      {"image std", fmt::format("{}", fmt::join(preprocess.std, ", "))},
      {"logit scale", fmt::format("{:.4f}", model.logit_scale())}};
  return section;
}

Report inspect_checkpoint(const fs::path& folder, bool explain) {
  const models::ClipModel model(checkpoint::open_checkpoint(folder));
  const auto& checkpoint = model.checkpoint();
  Report report{model_section(model), sizes_section(tally(checkpoint.tensors))};
  if (explain) report.push_back(tensors_section(checkpoint.tensors));
  if (checkpoint.quantization) {
    report.push_back(quantizers_section(*checkpoint.quantization));
    report.push_back(notices_section(checkpoint.quantization->notices));
  }
  return report;
}

Section operators_section(const Graph& graph) {
  std::map<std::string, int64_t> counts;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    ++counts[node.domain.empty() ? node.op : node.domain + "." + node.op];
  }
  Section section{"operators", {"operator", "nodes"}, {}};
  for (const auto& [op, count] : counts) section.rows.push_back({op, std::to_string(count)});
  return section;
}

Section signature_section(const Graph& graph) {
  Section section{"inputs and outputs", {"name", "kind", "dtype", "shape"}, {}};
  const auto add = [&](const std::vector<ValueId>& ids, const char* kind) {
    for (const ValueId id : ids) {
      const Value& value = graph.value(id);
      section.rows.push_back(
          {value.name, kind, std::string(name_of(value.dtype)), to_string(value.dims)});
    }
  };
  add(graph.inputs(), "input");
  add(graph.outputs(), "output");
  return section;
}

std::map<std::string, Tensor> constants_of(const Graph& graph) {
  std::map<std::string, Tensor> constants;
  for (const ValueId id : graph.values()) {
    if (graph.is_constant(id)) constants[graph.value(id).name] = *graph.value(id).constant;
  }
  return constants;
}

Section coverage_section(const std::string& title, const std::vector<passes::PartPrecision>& parts,
                         bool explain) {
  const auto fp8 = std::ranges::count(parts, true, &passes::PartPrecision::fp8);
  Section section{fmt::format("{}: {} of {} in FP8", title, fp8, parts.size()),
                  {"name", "precision", "because"},
                  {}};
  for (const passes::PartPrecision& part : parts) {
    if (explain || !part.fp8)
      section.rows.push_back({part.name, part.fp8 ? "fp8" : "-", part.reason});
  }
  return section;
}

Report inspect_onnx(const fs::path& path, bool explain) {
  const onnx::ImportResult file = onnx::import_file(path);
  const auto constants = constants_of(file.graph);
  Report report{{"file",
                 {"fact", "value"},
                 {{"producer", file.producer_name + " " + file.producer_version},
                  {"opset", std::to_string(file.opset)},
                  {"IR version", std::to_string(file.ir_version)}}},
                signature_section(file.graph),
                operators_section(file.graph),
                sizes_section(tally(constants)),
                coverage_section("products", passes::product_precisions(file.graph), explain),
                coverage_section("attention", passes::attention_precisions(file.graph), explain)};
  if (explain) report.push_back(tensors_section(constants));
  if (!file.notices.empty()) report.push_back(notices_section(file.notices));
  return report;
}

Section steps_section(const runtime::Plan& plan, bool explain) {
  Section section{"steps", {"node", "operator", "kernel", "output", "MFLOP"}, {}};
  if (explain) section.heading.emplace_back("passed over");
  for (const runtime::Step& step : plan.steps) {
    const Node& node = plan.graph.node(step.node);
    const Value& output = plan.graph.value(node.outputs.front());
    std::vector<std::string> row{
        node.name, node.op, step.choice.kernel.empty() ? "(view)" : step.choice.kernel,
        fmt::format("{} {}", name_of(output.dtype), to_string(output.dims))};
    row.push_back(fmt::format("{:.1f}", step.flops / 1e6));
    if (explain) {
      std::string refusals;
      for (const auto& refusal : step.choice.refusals) {
        refusals +=
            fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", refusal.kernel, refusal.reason);
      }
      row.push_back(refusals);
    }
    section.rows.push_back(std::move(row));
  }
  return section;
}

Report inspect_plan(const fs::path& path, bool explain) {
  const runtime::Plan plan = runtime::load_plan(path);
  Section facts{"plan", {"fact", "value"}, {{"backend", plan.backend}, {"target", plan.target}}};
  for (const auto& [name, range] : plan.symbols) {
    facts.rows.push_back(
        {name, fmt::format("{} to {}, tuned for {}", range.min, range.max, range.opt)});
  }
  facts.rows.push_back({"arena", size_text(plan.arena_bytes)});
  facts.rows.push_back({"workspace", size_text(plan.workspace_bytes)});
  for (const auto& [key, value] : plan.facts.items()) facts.rows.push_back({key, value.dump()});
  return {facts, signature_section(plan.graph), operators_section(plan.graph),
          sizes_section(tally(constants_of(plan.graph))), steps_section(plan, explain)};
}

Report inspect_safetensors(const fs::path& path, bool explain) {
  const auto file = checkpoint::read_safetensors(path);
  if (file.metadata.contains("octet_plan")) return inspect_plan(path, explain);
  return {sizes_section(tally(file.tensors)), tensors_section(file.tensors)};
}

Report inspect_path(const fs::path& path, bool explain) {
  if (!fs::is_directory(path)) {
    return path.extension() == ".onnx" ? inspect_onnx(path, explain)
                                       : inspect_safetensors(path, explain);
  }
  const api::ModelFolder found = api::find_model(path);
  if (found.kind == api::ModelKind::checkpoint) return inspect_checkpoint(found.folder, explain);
  Report all;
  for (const models::Tower tower : api::towers_in(found.folder, found.kind)) {
    const fs::path file = api::tower_file(found.folder, tower, found.kind);
    for (Section& section : inspect_path(file, explain)) {
      section.title = fmt::format("{}: {}", file.filename().string(), section.title);
      all.push_back(std::move(section));
    }
  }
  return all;
}

}  // namespace

void add_inspect(CLI::App& app, Context& context) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* verb =
      add_verb(app, context, "inspect", "show what a checkpoint, ONNX file or plan consists of",
               [flags, &context] {
                 const Report report = inspect_path(flags->path, flags->explain);
                 context.json ? print_json(report_json(report)) : print_report(report);
               });
  verb->add_option("PATH", flags->path, "checkpoint folder, .onnx, .plan or .safetensors")
      ->required();
  verb->add_flag("--explain", flags->explain, "every part, with the reason for its precision");
}

}  // namespace octet::cli
