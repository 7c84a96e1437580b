// Files nobody vouches for: every flaw is a clear error, and none costs more than the file's size.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "base/files.h"
#include "onnx/export.h"
#include "ops/ops.h"
#include "tests/onnx/clip_block.h"
#include "tests/onnx/model_bytes.h"
#include "tests/temporary_folder.h"

namespace octet::onnx {
namespace {

using attribute::Type;

const std::string& clip_file() {
  static const std::string text = [] {
    const test::TemporaryFolder folder;
    export_graph(ClipBlock::make(), folder / "m.onnx", {.metadata = {{"key", "value"}}});
    return read_text(folder / "m.onnx");
  }();
  return text;
}

/// A model or a bad_input error; anything else is a defect.
void import_whatever(const std::string& text) {
  try {
    import_text(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input) << error.what();
  }
}

Message with_node(const Message& node) {
  return graph_message().add(graph::kNode, node);
}
Message with_initializer(const Message& tensor) {
  return with_node(node_message("Identity", {"x"}, {"y"})).add(graph::kInitializer, tensor);
}
Message with_attribute(const Message& attribute) {
  return with_node(node_message("Identity", {"x"}, {"y"}, "n").add(node::kAttribute, attribute));
}

TEST(Malformed, TruncatedAnywhere) {
  const std::string& whole = clip_file();
  for (size_t size = 0; size < whole.size(); size += 1 + size / 300) {
    import_whatever(whole.substr(0, size));
  }
  expect_refused(whole.substr(0, whole.size() / 2), "are left");
}

TEST(Malformed, FlippedBits) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text = clip_file();
    for (int flips = 0; flips < 3; ++flips) {
      const unsigned bit = 1U << (random() % 8);
      char& damaged = text[random() % text.size()];
      damaged = static_cast<char>(static_cast<unsigned char>(damaged) ^ bit);
    }
    import_whatever(text);
  }
}

TEST(Malformed, NoOnnxAtAll) {
  expect_refused("", "IR version 0");
  expect_refused("hello, world", "damaged");
  expect_refused("\x89PNG\r\n\x1a\n", "damaged");
  expect_refused(model_bytes(Message()), "holds no graph");
}

TEST(Malformed, Versions) {
  const Message graph = with_node(node_message("Identity", {"x"}, {"y"}));
  expect_refused(model_bytes(graph, 16), "opset 16");
  expect_refused(model_bytes(graph, 24), "opset 24");
  expect_refused(model_bytes(graph, 20, 2), "IR version 2");
  expect_refused(model_bytes(graph, 20, 14), "IR version 14");
  expect_refused(Message().add(model::kIrVersion, 9).add(model::kGraph, graph).bytes(),
                 "imports no version of ONNX's operators");
  const Message other = Message().add(opset::kDomain, "ai.onnx").add(opset::kVersion, 19);
  expect_refused(model_bytes(graph) + Message().add(model::kOpsetImport, other).bytes(),
                 "versions 20 and 19");
  expect_refused(model_bytes(graph) + Message().add(model::kGraph, graph).bytes(), "two graphs");
}

TEST(Malformed, HugeLengths) {
  // Graph field, then a length that says more than there is; the second one is 2^32 + 2, which
  // is 2 when cut to 32 bits.
  expect_refused("\x3A\xFF\xFF\xFF\xFF\x0F", "are left");
  expect_refused("\x3A\x82\x80\x80\x80\x10zz", "are left");
  expect_refused("\x3A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01zz", "are left");
  expect_refused("\x3A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "varint");
}

TEST(Malformed, WrongWireTypes) {
  expect_refused(Message().add(model::kIrVersion, "nine").bytes(), "wire type");
  expect_refused(Message().add(model::kGraph, int64_t{1}).bytes(), "wire type");
  expect_refused(model_bytes(graph_message().add(graph::kNode, int64_t{1})), "wire type");
  expect_refused(model_bytes(with_initializer(
                     Message().add(tensor::kName, "w").add_float(tensor::kDims, 1.0F))),
                 "wire type");
}

TEST(Malformed, DeepNesting) {
  // If in If in If ...: refused at the first, whatever it holds.
  std::string inner;
  for (int depth = 0; depth < 5000; ++depth) {
    const Message attribute =
        attribute_message("then_branch", Type::graph).add(6, std::string_view(inner));
    inner = Message()
                .add(graph::kNode,
                     node_message("If", {"x"}, {"y"}, "branch").add(node::kAttribute, attribute))
                .bytes();
  }
  expect_refused(model_bytes(graph_message().append(inner)), "'branch' (If)");
  expect_refused(model_bytes(graph_message().append(inner)), "subgraph");
  // Sequences of sequences: nobody looks inside.
  Message type;
  for (int depth = 0; depth < 5000; ++depth) type = Message().add(4, Message().add(1, type));
  const Message input = Message().add(value_info::kName, "s").add(value_info::kType, type);
  expect_refused(model_bytes(graph_message().add(graph::kInput, input)), "input 's'");
}

TEST(Malformed, Bombs) {
  // Empty messages cost two bytes each; four million and one of them are one too many.
  std::string nodes;
  for (size_t i = 0; i <= limit::kNodes; ++i) nodes += std::string("\x0A\0", 2);
  expect_refused(model_bytes(Message().append(nodes)), "4000001 nodes");
  expect_refused(model_bytes(with_initializer(tensor_message("w", kFloat, {1LL << 40}))),
                 "holds 0 elements");
  expect_refused(
      model_bytes(with_initializer(tensor_message("w", kFloat, std::vector<int64_t>(33, 1)))),
      "more than 32 dimensions");
  expect_refused(model_bytes(with_node(node_message(std::string(70000, 'a'), {"x"}, {"y"}))),
                 "name of 70000 bytes");
  Message many;
  for (size_t i = 0; i <= limit::kOperands; ++i) many.add(node::kInput, "x");
  expect_refused(model_bytes(with_node(many)), "more than 65536 inputs");
}

TEST(Malformed, Names) {
  expect_refused(model_bytes(with_node(node_message("Identity", {"x"}, {"y"}, "a\xFF"))), "UTF-8");
  expect_refused(model_bytes(with_node(node_message("Identity", {"x"}, {"y"}, "\xED\xA0\x80"))),
                 "UTF-8");
  expect_refused(model_bytes(with_node(node_message("Identity", {"x"}, {"y"}, "a\nb"))),
                 "control character");
  expect_refused(model_bytes(with_initializer(tensor_message("", kFloat, {}))),
                 "initializer has no name");
}

TEST(Malformed, Cycles) {
  expect_refused(model_bytes(with_node(node_message("Add", {"x", "y"}, {"y"}, "self"))),
                 "'self' reads from 'self'");
  const Message graph = with_node(node_message("Identity", {"c"}, {"a"}, "one"))
                            .add(graph::kNode, node_message("Identity", {"a"}, {"b"}, "two"))
                            .add(graph::kNode, node_message("Add", {"b", "x"}, {"c"}, "three"))
                            .add(graph::kNode, node_message("Identity", {"c"}, {"y"}, "after"));
  expect_refused(model_bytes(graph), "'one' reads from 'three' reads from 'two' reads from 'one'");
}

TEST(Malformed, DuplicateNames) {
  const Message copy = node_message("Identity", {"x"}, {"y"}, "first");
  expect_refused(model_bytes(with_node(copy).add(graph::kNode, copy)),
                 "value 'y' is written by node 'first'");
  expect_refused(model_bytes(with_node(node_message("Identity", {"x"}, {"x"}, "n"))), "cycle");
  const Message w = tensor_message("w", kFloat, {}).add_float(tensor::kFloatData, 1.0F);
  expect_refused(model_bytes(with_initializer(w).add(graph::kNode,
                                                     node_message("Sigmoid", {"w"}, {"x"}, "n"))),
                 "'x' stands for two values");
  expect_refused(model_bytes(with_initializer(w).add(graph::kInitializer, w)), "'w'");
  expect_refused(model_bytes(with_node(copy).add(graph::kInput, value_message("x", kFloat, {2}))),
                 "'x'");
  expect_refused(model_bytes(with_node(copy).add(graph::kOutput, value_message("y", kFloat, {2}))),
                 "'y' is listed twice");
  const Message axis = attribute_message("axis", Type::integer).add(attribute::kInt, 0);
  expect_refused(model_bytes(with_node(node_message("Softmax", {"x"}, {"y"})
                                           .add(node::kAttribute, axis)
                                           .add(node::kAttribute, axis))),
                 "'axis' is given twice");
}

TEST(Malformed, DanglingReferences) {
  expect_refused(model_bytes(with_node(node_message("Identity", {"z"}, {"y"}, "n"))),
                 "node 'n' (Identity): it reads 'z'");
  expect_refused(model_bytes(graph_message()), "nothing writes the graph's output 'y'");
  expect_refused(model_bytes(Message().add(graph::kName, "g")), "no outputs");
  expect_refused(model_bytes(with_node(node_message("Identity", {"x"}, {}, "n"))), "has no output");
  expect_refused(model_bytes(with_node(node_message("", {"x"}, {"y"}))), "has no operator");
}

TEST(Malformed, ElementTypes) {
  expect_refused(model_bytes(with_initializer(tensor_message("w", 22, {2}))),
                 "initializer 'w': its element type INT4");
  expect_refused(model_bytes(with_initializer(tensor_message("w", 8, {2}))), "STRING");
  expect_refused(model_bytes(with_initializer(tensor_message("w", 18, {2}))), "FLOAT8E4M3FNUZ");
  expect_refused(model_bytes(with_initializer(tensor_message("w", 999, {2}))), "code 999");
  expect_refused(model_bytes(with_node(node_message("Identity", {"x"}, {"y"}))
                                 .add(graph::kInput, value_message("s", 8, {2}))),
                 "input 's'");
}

TEST(Malformed, TensorSizes) {
  const auto raw = [](std::string_view bytes, const std::vector<int64_t>& dims) {
    return model_bytes(
        with_initializer(tensor_message("w", kFloat, dims).add(tensor::kRawData, bytes)));
  };
  expect_refused(raw("1234567", {2}), "holds 7 bytes");
  expect_refused(raw("123456789", {2}), "holds 9 bytes");
  expect_refused(raw("", {1LL << 32, 1LL << 32}), "too many elements");
  expect_refused(raw("", {1LL << 62}), "too many bytes");
  expect_refused(raw("", {-1}), "negative");
  expect_refused(
      model_bytes(with_initializer(tensor_message("w", kInt64, {2}).add(tensor::kInt64Data, 1))),
      "holds 1 elements");
  expect_refused(
      model_bytes(with_initializer(tensor_message("w", kFloat, {1}).add(tensor::kInt64Data, 1))),
      "holds 0 elements");
  expect_refused(model_bytes(with_initializer(
                     tensor_message("w", kFloat, {1}).add(tensor::kFloatData, "12345"))),
                 "invalid length");
  expect_refused(
      model_bytes(with_initializer(
          tensor_message("w", onnx_code_of(DType::f8e4m3), {1}).add(tensor::kInt32Data, 256))),
      "element 0 is 256");
  expect_refused(
      model_bytes(with_initializer(
          tensor_message("w", onnx_code_of(DType::i8), {1}).add(tensor::kInt32Data, -129))),
      "element 0 is -129");
  expect_refused(model_bytes(with_initializer(
                     tensor_message("w", kFloat, {1}).add(tensor::kSegment, Message().add(1, 0)))),
                 "segments");
}

TEST(Malformed, WhatTheGraphHasNoPlaceFor) {
  const Message sparse = Message().add(
      sparse::kValues, tensor_message("thin", kFloat, {1}).add_float(tensor::kFloatData, 1.0F));
  expect_refused(
      model_bytes(
          with_node(node_message("Identity", {"x"}, {"y"})).add(graph::kSparseInitializer, sparse)),
      "'thin' is sparse");
  const Message foreign =
      node_message("FusedMatMul", {"x", "x"}, {"y"}, "n").add(node::kDomain, "com.microsoft");
  expect_refused(model_bytes(with_node(foreign)), "'n' (FusedMatMul) belongs to domain");
  const Message plugin = node_message("Plugin", {"x"}, {"y"}, "n").add(node::kDomain, "trt");
  expect_refused(model_bytes(with_node(plugin)), "domain 'trt'");
  const Message function = Message().add(function::kName, "Block").add(function::kDomain, "own");
  const Message call = node_message("Block", {"x"}, {"y"}, "n").add(node::kDomain, "own");
  expect_refused(model_bytes(with_node(call)) + Message().add(model::kFunctions, function).bytes(),
                 "'n' calls the model's own function 'Block'");
}

TEST(Malformed, Attributes) {
  expect_refused(model_bytes(with_attribute(attribute_message("a", Type::undefined))),
                 "node 'n' (Identity): attribute 'a' is of kind 0");
  expect_refused(model_bytes(with_attribute(Message().add(attribute::kType, 2))), "has no name");
  expect_refused(model_bytes(with_attribute(
                     attribute_message("a", Type::integer).add(attribute::kReference, "outer"))),
                 "outside of any function");
  expect_refused(model_bytes(with_attribute(
                     attribute_message("a", Type::string).add(attribute::kString, "\xC0"))),
                 "attribute 'a' is not valid UTF-8");
  const Message strings =
      attribute_message("value_string", Type::string).add(attribute::kString, "s");
  expect_refused(
      model_bytes(with_node(node_message("Constant", {}, {"c"}).add(node::kAttribute, strings))),
      "constant of strings");
  expect_refused(model_bytes(with_node(node_message("Constant", {}, {"c"}))), "one attribute");
}

TEST(Malformed, TypesThatDoNotFit) {
  expect_refused(model_bytes(with_node(node_message("Nonsense", {"x"}, {"y"}, "n"))), "'n'");
  expect_refused(model_bytes(with_node(node_message("MatMul", {"x"}, {"y"}, "n"))), "'n'");
}

TEST(Malformed, Scales) {
  const Message zero = tensor_message("z", onnx_code_of(DType::f8e4m3), {})
                           .add(tensor::kRawData, std::string(1, '\0'));
  const auto quantized = [&](float scale) {
    return model_bytes(
        graph_message()
            .add(graph::kNode, node_message("QuantizeLinear", {"x", "s", "z"}, {"q"}, "quant"))
            .add(graph::kNode, node_message("DequantizeLinear", {"q", "s"}, {"y"}))
            .add(graph::kInitializer,
                 tensor_message("s", kFloat, {}).add_float(tensor::kFloatData, scale))
            .add(graph::kInitializer, zero));
  };
  EXPECT_NO_THROW(import_text(quantized(0.5F)));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float scale : {0.0F, -0.0F, -1.0F, kInfinity, std::nanf("")}) {
    expect_refused(quantized(scale), "node 'quant' (QuantizeLinear): its scale 's' holds");
  }
}

TEST(Malformed, ErrorsNameTheFile) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("broken.onnx", "hello, world");
  test::expect_error(ErrorCode::bad_input, {path.string(), "damaged"}, [&] { import_file(path); });
  test::expect_error(ErrorCode::bad_input, {"missing.onnx"},
                     [&] { import_file(folder / "missing.onnx"); });
  test::expect_error(ErrorCode::bad_input, {"not a regular file"},
                     [&] { import_file(folder.path()); });
}

}  // namespace
}  // namespace octet::onnx
