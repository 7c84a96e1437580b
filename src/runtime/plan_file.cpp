#include <cstring>
#include <string>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/safetensors.h"
#include "graph/graph_json.h"
#include "runtime/plan.h"

namespace octet::runtime {
namespace {

using checkpoint::NamedTensor;
using checkpoint::SafetensorsFile;

constexpr int64_t kVersion = 3;
constexpr size_t kAlignment = 64;
constexpr size_t kHashBytes = 16;
constexpr const char* kMetadataKey = "octet_plan";
/// Sorts after every section name, so that order by name is order in the file.
constexpr const char* kChecksums = "~checksums";

size_t padded(size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

/// The tensor's bytes as U8, filled with zeros to a multiple of 64.
Tensor as_section(const Tensor& tensor) {
  const size_t size = tensor.size_bytes();
  if (size % kAlignment == 0) {
    return Tensor::view(DType::u8, {static_cast<int64_t>(size)}, tensor.bytes(),
                        std::make_shared<Tensor>(tensor));
  }
  Tensor section(DType::u8, {static_cast<int64_t>(padded(size))});
  std::memcpy(section.mutable_bytes().data(), tensor.bytes().data(), size);
  return section;
}

/// Equal constants are stored once.
class Sections {
 public:
  std::string store(const Tensor& tensor) {
    Tensor section = as_section(tensor);
    const Hash128 hash = hash128(section.bytes());
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (hashes_[i] == hash && tensors_[i].tensor == section) return tensors_[i].name;
    }
    hashes_.push_back(hash);
    tensors_.push_back({fmt::format("section.{:06}", tensors_.size()), std::move(section)});
    return tensors_.back().name;
  }
  [[nodiscard]] std::vector<NamedTensor> take() { return std::move(tensors_); }

 private:
  std::vector<NamedTensor> tensors_;
  std::vector<Hash128> hashes_;
};

Json refusals_to_json(const std::vector<KernelChoice::Refusal>& refusals) {
  Json list = Json::array();
  for (const auto& refusal : refusals) list.push_back({refusal.kernel, refusal.reason});
  return list;
}

Json steps_to_json(const Plan& plan, Sections& sections) {
  Json list = Json::array();
  for (const Step& step : plan.steps) {
    const KernelChoice& choice = step.choice;
    Json json = {
        {"kernel", choice.kernel}, {"workspace", step.workspace_bytes}, {"flops", step.flops}};
    if (!choice.refusals.empty()) json["refusals"] = refusals_to_json(choice.refusals);
    if (!choice.tactic.is_null()) json["tactic"] = choice.tactic;
    for (const Tensor& code : choice.code) {
      json["code"].push_back({sections.store(code), code.size_bytes()});
    }
    list.push_back(std::move(json));
  }
  return list;
}

Json slots_to_json(const Plan& plan) {
  Json slots = Json::object();
  for (const auto& [id, slot] : plan.slots) {
    slots[plan.graph.value(id).name] = {slot.offset, slot.size};
  }
  return slots;
}

Json symbols_to_json(const SymbolRanges& symbols) {
  Json json = Json::object();
  for (const auto& [name, range] : symbols) json[name] = {range.min, range.opt, range.max};
  return json;
}

Json to_json(const Plan& plan, Sections& sections) {
  return {{"version", kVersion},
          {"backend", plan.backend},
          {"target", plan.target},
          {"graph", graph_to_json(plan.graph, [&](const Tensor& t) { return sections.store(t); })},
          {"symbols", symbols_to_json(plan.symbols)},
          {"steps", steps_to_json(plan, sections)},
          {"slots", slots_to_json(plan)},
          {"arena_bytes", plan.arena_bytes},
          {"workspace_bytes", plan.workspace_bytes},
          {"facts", plan.facts}};
}

void put_hash(Tensor& checksums, size_t index, std::span<const std::byte> bytes) {
  const Hash128 hash = hash128(bytes);
  std::byte* target = checksums.mutable_bytes().data() + index * kHashBytes;
  std::memcpy(target, &hash.low, sizeof(hash.low));
  std::memcpy(target + sizeof(hash.low), &hash.high, sizeof(hash.high));
}

bool same_hash(const Tensor& checksums, size_t index, std::span<const std::byte> bytes) {
  Tensor expected(DType::u8, {static_cast<int64_t>(kHashBytes)});
  put_hash(expected, 0, bytes);
  return std::memcmp(checksums.bytes().data() + index * kHashBytes, expected.bytes().data(),
                     kHashBytes) == 0;
}

void check_hashes(const SafetensorsFile& file, std::string_view where) {
  const auto checksums = file.tensors.find(kChecksums);
  if (checksums == file.tensors.end() || file.order.empty() || file.order.back() != kChecksums ||
      checksums->second.size_bytes() != padded(file.order.size() * kHashBytes)) {
    fail_input("{}: the checksums are missing; build the plan again", where);
  }
  if (!same_hash(checksums->second, 0, file.header)) {
    fail_input("{}: the header is damaged (its checksum differs); build the plan again", where);
  }
  for (size_t i = 0; i + 1 < file.order.size(); ++i) {
    if (!same_hash(checksums->second, i + 1, file.tensors.at(file.order[i]).bytes())) {
      fail_input("{}: {} is damaged (its checksum differs); build the plan again", where,
                 file.order[i]);
    }
  }
}

SymbolRanges symbols_from_json(const Json& json) {
  SymbolRanges symbols;
  for (const auto& [name, range] : json.items()) {
    symbols[name] = {range.at(0).get<int64_t>(), range.at(1).get<int64_t>(),
                     range.at(2).get<int64_t>()};
  }
  return symbols;
}

/// A constant lies at the beginning of its section.
Tensor constant_from(const SafetensorsFile& file, const std::string& section, DType dtype,
                     const Shape& shape) {
  const auto found = file.tensors.find(section);
  if (found == file.tensors.end()) fail_input("section '{}' is missing", section);
  const size_t size = static_cast<size_t>(element_count(shape)) * size_of(dtype);
  if (size > found->second.size_bytes()) fail_input("section '{}' is too short", section);
  return Tensor::view(dtype, shape, found->second.bytes().first(size),
                      std::make_shared<Tensor>(found->second));
}

KernelChoice choice_from_json(const Json& json, const SafetensorsFile& file) {
  KernelChoice choice;
  choice.kernel = json.at("kernel").get<std::string>();
  choice.tactic = json.value("tactic", Json());
  for (const Json& refusal : json.value("refusals", Json::array())) {
    choice.refusals.push_back({refusal.at(0).get<std::string>(), refusal.at(1).get<std::string>()});
  }
  for (const Json& code : json.value("code", Json::array())) {
    choice.code.push_back(
        constant_from(file, code.at(0).get<std::string>(), DType::u8, {code.at(1).get<int64_t>()}));
  }
  return choice;
}

std::vector<Step> steps_from_json(const Json& json, const Graph& graph,
                                  const SafetensorsFile& file) {
  if (json.size() != graph.order().size()) fail_input("steps and nodes differ in number");
  std::vector<Step> steps;
  for (const Json& item : json) {
    steps.push_back({graph.order()[steps.size()], choice_from_json(item, file),
                     item.at("workspace").get<uint64_t>(), item.at("flops").get<double>()});
  }
  return steps;
}

std::map<ValueId, ArenaSlot> slots_from_json(const Json& json, const Graph& graph,
                                             uint64_t arena_bytes) {
  std::map<ValueId, ArenaSlot> slots;
  for (const auto& [name, item] : json.items()) {
    const auto id = graph.find_value(name);
    const ArenaSlot slot{item.at(0).get<uint64_t>(), item.at(1).get<uint64_t>()};
    if (!id || slot.offset > arena_bytes || slot.size > arena_bytes - slot.offset) {
      fail_input("the memory plan of '{}' is impossible", name);
    }
    slots[*id] = slot;
  }
  return slots;
}

}  // namespace

void save_plan(const Plan& plan, const std::filesystem::path& path) {
  Sections sections;
  const std::string json = to_json(plan, sections).dump();
  std::vector<NamedTensor> tensors = sections.take();
  const size_t hashed = tensors.size() + 1;
  tensors.push_back(
      {kChecksums, Tensor(DType::u8, {static_cast<int64_t>(padded(hashed * kHashBytes))})});
  const checkpoint::SafetensorsOptions options{{{kMetadataKey, json}}, kAlignment, true};
  const std::string header = checkpoint::safetensors_header(tensors, options);
  Tensor& checksums = tensors.back().tensor;
  put_hash(checksums, 0, std::as_bytes(std::span(header)));
  for (size_t i = 0; i + 1 < tensors.size(); ++i) {
    put_hash(checksums, i + 1, tensors[i].tensor.bytes());
  }
  checkpoint::write_safetensors(path, tensors, options);
}

Plan load_plan(const std::filesystem::path& path) {
  const std::string where = path.string();
  const SafetensorsFile file = checkpoint::read_safetensors(path);
  const auto metadata = file.metadata.find(kMetadataKey);
  if (metadata == file.metadata.end()) fail_input("'{}' is not a plan", where);
  check_hashes(file, where);
  const Json json = parse_json(metadata->second, where);
  const auto version = json_at<int64_t>(json, "version", where);
  if (version != kVersion) {
    fail_input("{}: plan version {}, but this program reads version {}; build the plan again",
               where, version, kVersion);
  }
  try {
    Plan plan;
    plan.backend = json.at("backend").get<std::string>();
    plan.target = json.at("target").get<std::string>();
    const auto load = [&](const std::string& section, DType dtype, const Shape& shape) {
      return constant_from(file, section, dtype, shape);
    };
    plan.graph = graph_from_json(json.at("graph"), load, where);
    plan.symbols = symbols_from_json(json.at("symbols"));
    plan.steps = steps_from_json(json.at("steps"), plan.graph, file);
    plan.arena_bytes = json.at("arena_bytes").get<uint64_t>();
    plan.slots = slots_from_json(json.at("slots"), plan.graph, plan.arena_bytes);
    plan.workspace_bytes = json.at("workspace_bytes").get<uint64_t>();
    plan.facts = json.at("facts");
    return plan;
  } catch (const nlohmann::json::exception& error) {
    fail_input("{}: the plan is damaged ({})", where, error.what());
  }
}

}  // namespace octet::runtime
