#include "data/tokenizer_json.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <unordered_set>

#include "base/error.h"

namespace octet::data {
namespace {

constexpr std::string_view kWordPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";

/// A member, null when the object lacks it.
const Json& member(const Json& object, const char* key) {
  static const Json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

std::string type_of(const Json& component, std::string_view where) {
  return component.is_object() ? json_at<std::string>(component, "type", where) : "none";
}

/// The components of a sequence, or the one that stands alone.
std::vector<Json> components(const Json& stage, const char* list, std::string_view where) {
  if (type_of(stage, where) != "Sequence") return {stage};
  return json_at<std::vector<Json>>(stage, list, where);
}

/// Every component must be `required` or `harmless`, and every required one must be there: another
/// pipeline would give other ids without a word.
void check_stage(const Json& stage, const char* name, const char* list,
                 std::initializer_list<std::string_view> required,
                 std::initializer_list<std::string_view> harmless) {
  std::vector<std::string> types;
  for (const Json& component : components(stage, list, name)) {
    types.push_back(type_of(component, name));
    if (std::ranges::find(required, types.back()) == required.end() &&
        std::ranges::find(harmless, types.back()) == harmless.end()) {
      fail_input("its {} is '{}': this is not a CLIP tokenizer", name, types.back());
    }
  }
  for (const std::string_view type : required) {
    if (std::ranges::find(types, type) == types.end()) {
      fail_input("its {} lacks '{}': this is not a CLIP tokenizer", name, type);
    }
  }
}

/// The literal texts of "a\|b|c|": what transformers 5 puts in front of the word pattern.
std::vector<std::string> read_alternatives(std::string_view pattern) {
  std::vector<std::string> alternatives;
  std::string text;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '|') {
      alternatives.push_back(std::move(text));
      text.clear();
      continue;
    }
    if (pattern[at] == '\\') ++at;
    if (at < pattern.size()) text.push_back(pattern[at]);
  }
  return alternatives;
}

void read_word_pattern(const Json& pre_tokenizer, Vocabulary& vocabulary) {
  for (const Json& component : components(pre_tokenizer, "pretokenizers", "pre_tokenizer")) {
    if (type_of(component, "pre_tokenizer") != "Split") continue;
    const auto pattern = json_at<std::string>(member(component, "pattern"), "Regex", "pattern");
    const std::string_view front = std::string_view(pattern).substr(
        0, pattern.size() - std::min(pattern.size(), kWordPattern.size()));
    if (!pattern.ends_with(kWordPattern) || front.find_first_of("[](){}.*+?^$") != front.npos) {
      fail_input("its words are split by '{}': this is not a CLIP tokenizer", pattern);
    }
    vocabulary.split_specials = read_alternatives(front);
  }
}

void read_pipeline(const Json& json, Vocabulary& vocabulary) {
  check_stage(member(json, "normalizer"), "normalizer", "normalizers", {"NFC", "Lowercase"},
              {"Replace", "Strip"});
  const Json& pre_tokenizer = member(json, "pre_tokenizer");
  check_stage(pre_tokenizer, "pre_tokenizer", "pretokenizers", {"Split", "ByteLevel"}, {});
  read_word_pattern(pre_tokenizer, vocabulary);
}

void check_model(const Json& model) {
  const auto type = json_at<std::string>(model, "type", "model");
  if (type != "BPE") fail_input("its model is {}, not BPE: this is not a CLIP tokenizer", type);
  const auto suffix = json_or<std::string>(model, "end_of_word_suffix", "", "model");
  const auto prefix = json_or<std::string>(model, "continuing_subword_prefix", "", "model");
  if (suffix != kWordEnd || !prefix.empty()) {
    fail_input("its words end with '{}', not '{}': this is not a CLIP tokenizer", suffix, kWordEnd);
  }
  if (json_or<bool>(model, "byte_fallback", false, "model") ||
      json_or<bool>(model, "ignore_merges", false, "model")) {
    fail_input("its model sets byte_fallback or ignore_merges: this is not a CLIP tokenizer");
  }
}

/// "a b" or ["a", "b"].
Merge read_merge(const Json& json, size_t rank) {
  if (json.is_array() && json.size() == 2 && json[0].is_string() && json[1].is_string()) {
    return {json[0].get<std::string>(), json[1].get<std::string>()};
  }
  const auto text = json.is_string() ? json.get<std::string>() : std::string();
  const size_t space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos) {
    fail_input("merge {} is not two tokens", rank);
  }
  return {text.substr(0, space), text.substr(space + 1)};
}

void read_model(const Json& model, Vocabulary& vocabulary) {
  check_model(model);
  vocabulary.tokens = read_token_ids(member(model, "vocab"));
  for (const Json& merge : json_at<std::vector<Json>>(model, "merges", "model")) {
    vocabulary.merges.push_back(read_merge(merge, vocabulary.merges.size()));
  }
  const auto unknown = json_or<std::string>(model, "unk_token", "", "model");
  const auto found = vocabulary.tokens.find(unknown);
  if (found != vocabulary.tokens.end()) vocabulary.unknown = found->second;
}

AddedToken read_added_token(const Json& json) {
  constexpr std::string_view kWhere = "added_tokens";
  return {.text = json_at<std::string>(json, "content", kWhere),
          .id = json_at<int64_t>(json, "id", kWhere),
          .normalized = json_or<bool>(json, "normalized", false, kWhere),
          .single_word = json_or<bool>(json, "single_word", false, kWhere)};
}

/// RobertaProcessing and BertProcessing: "cls" and "sep" are [text, id].
int64_t marker_id(const Json& processor, const char* key) {
  const Json& marker = member(processor, key);
  if (!marker.is_array() || marker.size() != 2 || !marker[1].is_number_integer()) {
    fail_json_member(key, "post_processor", "must be a token and its id");
  }
  return marker[1].get<int64_t>();
}

/// TemplateProcessing: the id of a special token of the "single" template, -1 for another item.
int64_t template_id(const Json& processor, const Json& item) {
  const Json& special = member(item, "SpecialToken");
  if (special.is_null()) return -1;
  const auto name = json_at<std::string>(special, "id", "post_processor");
  const Json& token = member(member(processor, "special_tokens"), name.c_str());
  const auto ids = json_at<std::vector<int64_t>>(token, "ids", "post_processor");
  return ids.size() == 1 ? ids.front() : -1;
}

void read_post_processor(const Json& stage, Vocabulary& vocabulary) {
  if (stage.is_null()) return;
  for (const Json& processor : components(stage, "processors", "post_processor")) {
    const std::string type = type_of(processor, "post_processor");
    if (type == "RobertaProcessing" || type == "BertProcessing") {
      vocabulary.begin = marker_id(processor, "cls");
      vocabulary.end = marker_id(processor, "sep");
    } else if (type == "TemplateProcessing") {
      const auto items = json_at<std::vector<Json>>(processor, "single", "post_processor");
      if (items.empty()) continue;
      vocabulary.begin = template_id(processor, items.front());
      vocabulary.end = template_id(processor, items.back());
    }
  }
}

}  // namespace

TokenIds read_token_ids(const Json& json) {
  if (!json.is_object()) fail_input("its vocabulary is not an object of tokens and ids");
  TokenIds tokens;
  std::unordered_set<int64_t> seen;
  for (const auto& [token, value] : json.items()) {
    const int64_t id = value.is_number_integer() ? value.get<int64_t>() : -1;
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
      fail_input("token '{}' has the id {}, not a number from 0 on", token, value.dump());
    }
    if (!seen.insert(id).second) fail_input("token '{}' shares its id {}", token, id);
    tokens.emplace(token, id);
  }
  return tokens;
}

Vocabulary read_tokenizer_json(const std::filesystem::path& path) {
  const Json json = read_json(path);
  return with_context(fmt::format("'{}'", path.string()), [&] {
    if (!json.is_object()) fail_input("it is not an object");
    Vocabulary vocabulary;
    read_model(member(json, "model"), vocabulary);
    read_pipeline(json, vocabulary);
    for (const Json& token : json_or<std::vector<Json>>(json, "added_tokens", {}, "tokenizer")) {
      vocabulary.add(read_added_token(token));
    }
    read_post_processor(member(json, "post_processor"), vocabulary);
    const Json& padding = member(json, "padding");
    if (padding.is_object()) vocabulary.pad = json_or<int64_t>(padding, "pad_id", -1, "padding");
    return vocabulary;
  });
}

}  // namespace octet::data
