#include "onnx/model_view.h"

#include "onnx/fields.h"
#include "onnx/wire_reader.h"

namespace octet::onnx {
namespace {

void add_opset(ModelView& view, std::string_view bytes) {
  WireReader reader(bytes, "OperatorSetIdProto");
  std::string_view domain;
  int64_t version = 0;
  while (reader.next()) {
    switch (reader.field()) {
      case opset::kDomain:
        domain = canonical_domain(reader.name());
        break;
      case opset::kVersion:
        version = reader.integer();
        break;
      default:
        reader.skip();
    }
  }
  check_below(view.opsets.size(), limit::kModelEntries, "opset imports");
  const auto [position, fresh] = view.opsets.emplace(domain, version);
  if (!fresh && position->second != version) {
    fail_input("the file imports versions {} and {} of opset '{}'", position->second, version,
               domain);
  }
}

void add_metadata(ModelView& view, std::string_view bytes) {
  check_below(view.metadata.size(), limit::kModelEntries, "metadata entries");
  const auto [key, value] = view_entry(bytes);
  check_utf8(value, "a metadata value");
  view.metadata.insert_or_assign(std::string(key), std::string(value));
}

std::pair<std::string_view, std::string_view> view_function(std::string_view bytes) {
  WireReader reader(bytes, "FunctionProto");
  std::string_view domain;
  std::string_view name;
  while (reader.next()) {
    switch (reader.field()) {
      case function::kName:
        name = reader.name();
        break;
      case function::kDomain:
        domain = canonical_domain(reader.name());
        break;
      default:
        reader.skip();
    }
  }
  return {domain, name};
}

}  // namespace

std::string_view canonical_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

std::pair<std::string_view, std::string_view> view_entry(std::string_view bytes) {
  WireReader reader(bytes, "StringStringEntryProto");
  std::pair<std::string_view, std::string_view> result;
  while (reader.next()) {
    switch (reader.field()) {
      case entry::kKey:
        result.first = reader.name();
        break;
      case entry::kValue:
        result.second = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  return result;
}

ModelView view_model(std::string_view bytes) {
  WireReader reader(bytes, "ModelProto");
  ModelView view;
  while (reader.next()) {
    switch (reader.field()) {
      case model::kIrVersion:
        view.ir_version = reader.integer();
        break;
      case model::kProducerName:
        view.producer_name = reader.name();
        break;
      case model::kProducerVersion:
        view.producer_version = reader.name();
        break;
      case model::kGraph:
        if (!view.graph.empty()) fail_input("it holds two graphs");
        view.graph = reader.bytes();
        break;
      case model::kOpsetImport:
        add_opset(view, reader.bytes());
        break;
      case model::kMetadata:
        add_metadata(view, reader.bytes());
        break;
      case model::kFunctions:
        check_below(view.functions.size(), limit::kModelEntries, "functions");
        view.functions.insert(view_function(reader.bytes()));
        break;
      default:
        reader.skip();
    }
  }
  return view;
}

}  // namespace octet::onnx
