#include <cmath>
#include <filesystem>
#include <memory>

#include "api/open_model.h"
#include "base/error.h"
#include "base/files.h"
#include "eval/retrieval.h"
#include "eval/zeroshot.h"
#include "tools/octet/model_options.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

struct EvalFlags {
  std::string model;
  std::string task;
  std::string data;
  std::string class_names;
  std::string templates;
  std::string json_file;
  CLI::Option* json = nullptr;
  std::string baseline;
  std::vector<int64_t> recall_k{1, 5, 10};
  double min_acc1 = -1;
  double max_drop = -1;
  bool strict = false;
  std::shared_ptr<ModelOptions> options;
};

/// The result document with CLIP_benchmark's keys.
OrderedJson evaluate(const EvalFlags& flags, const Context& context) {
  const api::OpenModel model = api::open_model(flags.model, flags.options->parsed());
  const auto dataset = data::open_dataset(flags.data);
  OrderedJson document = {{"dataset", flags.data}, {"model", flags.model}, {"pretrained", ""}};
  if (flags.task == "zeroshot") {
    eval::ZeroShotOptions options;
    if (!flags.class_names.empty()) options.class_names = data::read_names(flags.class_names);
    if (!flags.templates.empty()) options.templates = data::read_names(flags.templates);
    options.strict = flags.strict;
    const auto result =
        eval::evaluate_zero_shot(model.encoder, *dataset, options, context.progress);
    document["task"] = "zeroshot_classification";
    document["metrics"] = eval::metrics_of(result);
    document["images"] = result.images;
    document["unreadable"] = result.unreadable;
    document["ties"] = result.ties;
  } else {
    const auto result = eval::evaluate_retrieval(model.encoder, *dataset, flags.recall_k,
                                                 flags.strict, context.progress);
    document["task"] = "zeroshot_retrieval";
    document["metrics"] = eval::metrics_of(result);
    document["images"] = result.images;
    document["texts"] = result.texts;
    document["unreadable"] = result.unreadable;
  }
  document["language"] = "en";
  return document;
}

void print_metrics(const OrderedJson& document) {
  Table table({"metric", "value"});
  for (const auto& [name, value] : document.at("metrics").items()) {
    table.add_row({name, value.is_null() || std::isnan(value.get<double>())
                             ? "-"
                             : fmt::format("{:.4f}", value.get<double>())});
  }
  print_text(table.text());
  print("{} images", document.at("images").get<int64_t>());
  if (document.contains("texts")) print(", {} texts", document.at("texts").get<int64_t>());
  const auto unreadable = document.at("unreadable").get<int64_t>();
  if (unreadable > 0) print(", {} unreadable images left out", unreadable);
  print("\n");
}

void check_drop(const EvalFlags& flags, const OrderedJson& metrics) {
  const Json baseline = read_json(flags.baseline);
  for (const auto& [name, value] : metrics.items()) {
    const auto before = json_at<double>(json_at<Json>(baseline, "metrics", flags.baseline),
                                        name.c_str(), flags.baseline);
    const double drop = before - value.get<double>();
    if (drop > flags.max_drop) {
      fail(ErrorCode::failed, "{} dropped by {:.4f} from {:.4f} to {:.4f}, more than --max-drop {}",
           name, drop, before, value.get<double>(), flags.max_drop);
    }
  }
}

/// The gate: a missed bar is exit code 1, after the results have been shown.
void check_bars(const EvalFlags& flags, const OrderedJson& document) {
  const OrderedJson& metrics = document.at("metrics");
  if (flags.min_acc1 >= 0) {
    const auto acc1 = metrics.at("acc1").get<double>();
    if (acc1 < flags.min_acc1) {
      fail(ErrorCode::failed, "acc1 is {:.4f}, below --min-acc1 {}", acc1, flags.min_acc1);
    }
  }
  if (flags.max_drop >= 0) check_drop(flags, metrics);
}

void check_flags(const EvalFlags& flags) {
  if (flags.max_drop >= 0 && flags.baseline.empty()) {
    fail(ErrorCode::usage, "--max-drop needs --baseline FILE, a result written with --json FILE");
  }
  if (flags.min_acc1 >= 0 && flags.task != "zeroshot") {
    fail(ErrorCode::usage, "--min-acc1 goes with --task zeroshot");
  }
}

void run_eval(const EvalFlags& flags, const Context& context) {
  check_flags(flags);
  const OrderedJson document = evaluate(flags, context);
  if (!flags.json_file.empty()) write_text(flags.json_file, document.dump(2) + "\n");
  const bool print_document = context.json || (flags.json->count() > 0 && flags.json_file.empty());
  print_document ? print_json(document) : print_metrics(document);
  check_bars(flags, document);
}

}  // namespace

void add_eval(CLI::App& app, Context& context) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* verb = add_verb(app, context, "eval", "measure zero-shot accuracy or retrieval recall",
                            [flags, &context] { run_eval(*flags, context); });
  verb->add_option("MODEL", flags->model, "folder of a checkpoint, ONNX files or plans")
      ->required();
  verb->add_option("--task", flags->task, "zeroshot or retrieval")
      ->check(CLI::IsMember({"zeroshot", "retrieval"}))
      ->required();
  verb->add_option("--data", flags->data, "dataset, recognised by its contents")->required();
  verb->add_option("--classnames", flags->class_names, "class names, a line each or a JSON list");
  verb->add_option("--templates", flags->templates, "prompts with {c}, a line each or a JSON list");
  flags->json = verb->add_option("--json", flags->json_file,
                                 "print JSON, or with FILE write it there beside the table")
                    ->type_name("[FILE]")
                    ->expected(0, 1);
  verb->add_option("--recall-k", flags->recall_k, "cut-offs of recall@k")->delimiter(',');
  verb->add_option("--min-acc1", flags->min_acc1, "exit with 1 when acc1 is below");
  verb->add_option("--max-drop", flags->max_drop,
                   "exit with 1 when a metric is more than this below --baseline");
  verb->add_option("--baseline", flags->baseline, "an earlier result, for --max-drop");
  verb->add_flag("--strict", flags->strict, "an unreadable image ends the evaluation");
  flags->options = ModelOptions::add_to(*verb);
}

}  // namespace octet::cli
