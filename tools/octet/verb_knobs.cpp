#include "base/knob.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

void print_knobs_json() {
  OrderedJson document = OrderedJson::array();
  for (const Knob& row : all_knobs()) {
    document.push_back({{"name", row.name},
                        {"value", knob(row.name)},
                        {"default", row.fallback},
                        {"meaning", row.meaning}});
  }
  print_json(document);
}

void print_knobs() {
  Table table({"knob", "value", "default", "meaning"});
  for (const Knob& row : all_knobs()) {
    table.add_row({std::string(row.name), knob(row.name), std::string(row.fallback),
                   std::string(row.meaning)});
  }
  print_text(table.text());
}

}  // namespace

void add_knobs(CLI::App& app, Context& context) {
  add_verb(app, context, "knobs", "list the environment variables that octet reads",
           [&context] { context.json ? print_knobs_json() : print_knobs(); });
}

}  // namespace octet::cli
