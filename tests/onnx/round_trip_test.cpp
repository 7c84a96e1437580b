#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/files.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "tests/expect_error.h"
#include "tests/onnx/clip_block.h"
#include "tests/temporary_folder.h"

namespace octet::onnx {
namespace {

using test::TemporaryFolder;

/// x [2] -> Identity -> y, with room for more.
struct SmallGraph {
  Graph graph;
  ValueId x = graph.add_input("x", DType::f32, {2});
  ValueId y = graph.add_value("y", DType::f32, {2});

  void finish(Attributes attributes = {}) {
    graph.add_node({"copy", "", "Identity", {x}, {y}, std::move(attributes)});
    graph.set_outputs({y});
  }
};

TEST(RoundTrip, ClipBlockInOneFile) {
  const TemporaryFolder folder;
  const Graph graph = ClipBlock::make();
  export_graph(graph, folder / "text.onnx", {.metadata = {{"octet.tower", "text"}, {"a", "ä\n"}}});
  const ImportResult result = import_file(folder / "text.onnx");
  EXPECT_EQ(first_difference(graph, result.graph), "");
  EXPECT_EQ(result.graph.name(), "text");
  EXPECT_EQ(result.opset, 20);
  EXPECT_EQ(result.ir_version, 9);
  EXPECT_EQ(result.producer_name, "octet");
  EXPECT_EQ(result.metadata,
            (std::map<std::string, std::string>{{"octet.tower", "text"}, {"a", "ä\n"}}));
  EXPECT_TRUE(result.notices.empty());
  EXPECT_EQ(folder.entries(), 1);
}

TEST(RoundTrip, TypesComeFromTheFileWithoutInference) {
  const TemporaryFolder folder;
  const Graph graph = ClipBlock::make();
  export_graph(graph, folder / "text.onnx");
  const ImportResult result = import_file(folder / "text.onnx", {.infer = false});
  EXPECT_EQ(first_difference(graph, result.graph), "");
}

TEST(RoundTrip, ExternalDataStandsBesideTheModel) {
  const TemporaryFolder folder;
  const Graph graph = ClipBlock::make();
  export_graph(graph, folder / "text.onnx", {.external_threshold = 4096});
  EXPECT_EQ(folder.entries(), 2);
  const ImportResult result = import_file(folder / "text.onnx");
  EXPECT_EQ(first_difference(graph, result.graph), "");
  EXPECT_GT(std::filesystem::file_size(folder / "text.onnx_data"), 4096u);
  const auto model = MappedFile::open(folder / "text.onnx");
  EXPECT_NE(model->text().find("text.onnx_data"), std::string_view::npos);
  EXPECT_EQ(model->text().find(folder.path().string()), std::string_view::npos)
      << "the location must be relative";
}

TEST(RoundTrip, SmallWeightsStayInTheModel) {
  const TemporaryFolder folder;
  SmallGraph small;
  const ValueId c = small.graph.add_constant("c", Tensor(DType::f32, {256}));  // 1 KiB
  const ValueId d = small.graph.add_constant("d", Tensor(DType::f32, {257}));
  small.finish();
  small.graph.set_outputs({small.y, c, d});
  export_graph(small.graph, folder / "m.onnx", {.external_threshold = 0});
  EXPECT_EQ(std::filesystem::file_size(folder / "m.onnx_data"), 257u * 4);
  EXPECT_EQ(first_difference(small.graph, import_file(folder / "m.onnx").graph), "");
}

TEST(RoundTrip, ThresholdCountsAllConstants) {
  const TemporaryFolder folder;
  SmallGraph small;
  const ValueId c = small.graph.add_constant("c", Tensor(DType::f32, {1000}));
  small.finish();
  small.graph.set_outputs({small.y, c});
  export_graph(small.graph, folder / "m.onnx", {.external_threshold = 4000});
  EXPECT_EQ(folder.entries(), 1);
  export_graph(small.graph, folder / "m.onnx", {.external_threshold = 3999});
  EXPECT_EQ(folder.entries(), 2);
}

TEST(RoundTrip, EveryAttributeKind) {
  const TemporaryFolder folder;
  SmallGraph small;
  small.finish({{"f", -0.0F},
                {"i", int64_t{-5}},
                {"s", std::string("none")},
                {"empty", std::string()},
                {"fs", std::vector<float>{1.5F, -2.0F}},
                {"is", std::vector<int64_t>{-1, INT64_MAX}},
                {"no_is", std::vector<int64_t>{}},
                {"no_fs", std::vector<float>{}},
                {"t", Tensor::scalar<int64_t>(7)}});
  export_graph(small.graph, folder / "m.onnx");
  const Graph back = import_file(folder / "m.onnx", {.infer = false}).graph;
  EXPECT_EQ(first_difference(small.graph, back), "");
  EXPECT_EQ(back.node(back.order()[0]).attributes.size(), 9u);
}

TEST(RoundTrip, EveryDTypeAndRank) {
  const TemporaryFolder folder;
  SmallGraph small;
  std::vector<ValueId> outputs{small.y};
  for (int code = 0; code <= static_cast<int>(DType::boolean); ++code) {
    const auto dtype = static_cast<DType>(code);
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{1, 3}}) {
      Tensor tensor(dtype, shape);
      for (auto& byte : tensor.mutable_bytes()) byte = std::byte{1};
      outputs.push_back(small.graph.add_constant(fmt::format("{}{}", name_of(dtype), shape.size()),
                                                 std::move(tensor)));
    }
  }
  small.finish();
  small.graph.set_outputs(outputs);
  export_graph(small.graph, folder / "m.onnx");
  const Graph back = import_file(folder / "m.onnx").graph;
  EXPECT_EQ(first_difference(small.graph, back), "");
  for (const ValueId id : back.outputs()) {
    if (id == back.outputs().front()) continue;
    const Value& value = back.value(id);
    EXPECT_EQ(*value.constant, *small.graph.value(*small.graph.find_value(value.name)).constant);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(value.constant->bytes().data()) % size_of(value.dtype),
              0u);
  }
}

TEST(RoundTrip, LeftOutInputsAndOutputs) {
  const TemporaryFolder folder;
  Graph graph;
  const ValueId x = graph.add_input("x", DType::f32, {2});
  const ValueId high = graph.add_constant("high", Tensor::scalar(1.0F));
  const ValueId y = graph.add_value("y", DType::f32, {2});
  graph.add_node({"clip", "", "Clip", {x, kNoValue, high}, {y, kNoValue}, {}});
  graph.set_outputs({y});
  export_graph(graph, folder / "m.onnx");
  EXPECT_EQ(first_difference(graph, import_file(folder / "m.onnx", {.infer = false}).graph), "");
}

TEST(Export, LeavesOutConstantsThatNothingReads) {
  const TemporaryFolder folder;
  SmallGraph small;
  small.graph.add_constant("unused", Tensor(DType::f32, {100}));
  small.finish();
  export_graph(small.graph, folder / "m.onnx");
  EXPECT_FALSE(import_file(folder / "m.onnx").graph.find_value("unused"));
}

TEST(Export, EqualGraphsGiveEqualFiles) {
  const TemporaryFolder folder;
  export_graph(ClipBlock::make(), folder / "a.onnx", {.producer_version = "1.2"});
  export_graph(ClipBlock::make(), folder / "b.onnx", {.producer_version = "1.2"});
  EXPECT_EQ(read_text(folder / "a.onnx"), read_text(folder / "b.onnx"));
  EXPECT_EQ(import_file(folder / "a.onnx").producer_version, "1.2");
}

TEST(Export, RefusesFusedOperators) {
  const TemporaryFolder folder;
  SmallGraph small;
  const ValueId z = small.graph.add_value("z", DType::f32, {2});
  small.finish();
  small.graph.add_node({"gelu", "octet", "QuickGelu", {small.y}, {z}, {}});
  test::expect_error(ErrorCode::usage, {"'gelu'", "octet.QuickGelu"},
                     [&] { export_graph(small.graph, folder / "m.onnx"); });
  EXPECT_EQ(folder.entries(), 0);
}

TEST(Export, RefusesOperatorsOfLaterOpsets) {
  const TemporaryFolder folder;
  SmallGraph small;
  const ValueId z = small.graph.add_value("z", DType::f32, {2});
  small.finish();
  small.graph.add_node({"attend", "", "Attention", {small.y}, {z}, {}});
  test::expect_error(ErrorCode::usage, {"'attend'", "Attention"},
                     [&] { export_graph(small.graph, folder / "m.onnx"); });
}

/// Stops an export in the middle of its weights, inside the data file or inside the model.
void interrupt_export(const TemporaryFolder& folder, uint64_t threshold) {
  const auto stop = [](std::string_view, int64_t, int64_t) {
    fail(ErrorCode::interrupted, "stopped");
  };
  test::expect_error(ErrorCode::interrupted, {"stopped"}, [&] {
    export_graph(ClipBlock::make(), folder / "m.onnx",
                 {.external_threshold = threshold, .progress = stop});
  });
}

TEST(Export, InterruptedLeavesTheOldFiles) {
  for (const uint64_t threshold : {uint64_t{0}, uint64_t{1} << 30}) {
    const TemporaryFolder folder;
    write_text(folder / "m.onnx", "old model");
    write_text(folder / "m.onnx_data", "old data");
    interrupt_export(folder, threshold);
    EXPECT_EQ(read_text(folder / "m.onnx"), "old model");
    EXPECT_EQ(read_text(folder / "m.onnx_data"), "old data");
    EXPECT_EQ(folder.entries(), 2);
  }
}

TEST(Export, FolderThatCannotBeWritten) {
  test::expect_error(ErrorCode::failed, {"/proc/nowhere"},
                     [&] { export_graph(ClipBlock::make(), "/proc/nowhere/m.onnx"); });
}

TEST(RoundTrip, WeightsStayViewsOfTheFile) {
  const TemporaryFolder folder;
  export_graph(ClipBlock::make(), folder / "m.onnx", {.external_threshold = 0});
  const Graph graph = import_file(folder / "m.onnx").graph;
  // A page-aligned view of a mapping; an owned copy would stand 64-aligned behind a heap header.
  const Tensor& token = *graph.value(*graph.find_value("token")).constant;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(token.bytes().data()) % 4096, 0u);
}

}  // namespace
}  // namespace octet::onnx
