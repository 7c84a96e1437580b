#include <gtest/gtest.h>

#include "tests/ops/inference.h"

namespace octet {
namespace {

const Given kRows(DType::f16, {"batch", 5, 8});

TEST(InferMatrix, MatMul) {
  EXPECT_EQ(infer_one("MatMul", {kRows, {DType::f16, {8, 3}}}),
            (ValueType{DType::f16, {"batch", 5, 3}}));
  EXPECT_EQ(
      infer_one("MatMul", {{DType::f32, {"batch", 4, 5, 8}}, {DType::f32, {1, 4, 8, 2}}}).dims,
      (Dims{"batch", 4, 5, 2}));
  EXPECT_EQ(infer_one("MatMul", {{DType::f32, {2, "tokens"}}, {DType::f32, {"tokens", 3}}}).dims,
            (Dims{2, 3}));
  expect_refused("the inner extents [8] and [7] differ", "MatMul", {kRows, {DType::f16, {7, 3}}});
  expect_refused("do not broadcast", "MatMul", {kRows, {DType::f16, {4, 8, 3}}});
  expect_refused("two axes", "MatMul", {kRows, {DType::f16, {8}}});
  expect_refused("must be the same", "MatMul", {kRows, {DType::f32, {8, 3}}});
  expect_refused("must be one of", "MatMul", {{DType::f8e4m3, {2, 2}}, {DType::f8e4m3, {2, 2}}});
}

TEST(InferMatrix, Gemm) {
  const Given a(DType::f32, {"batch", 8});
  EXPECT_EQ(infer_one("Gemm", {a, {DType::f32, {8, 3}}, {DType::f32, {3}}}).dims,
            (Dims{"batch", 3}));
  EXPECT_EQ(infer_one("Gemm", {a, {DType::f32, {3, 8}}}, {{"transB", int64_t{1}}}).dims,
            (Dims{"batch", 3}));
  EXPECT_EQ(
      infer_one("Gemm", {{DType::f32, {8, 2}}, {DType::f32, {8, 3}}}, {{"transA", int64_t{1}}})
          .dims,
      (Dims{2, 3}));
  expect_refused("inner extents", "Gemm", {a, {DType::f32, {3, 8}}});
  expect_refused("does not broadcast", "Gemm",
                 {{DType::f32, {1, 8}}, {DType::f32, {8, 3}}, {DType::f32, {4, 3}}});
}

TEST(InferMatrix, Conv) {
  const Given image(DType::f16, {"batch", 3, 224, 224});
  const std::vector<int64_t> patch{14, 14};
  EXPECT_EQ(infer_one("Conv", {image, {DType::f16, {64, 3, 14, 14}}, {DType::f16, {64}}},
                      {{"strides", patch}})
                .dims,
            (Dims{"batch", 64, 16, 16}));
  const Given weight(DType::f16, {4, 3, 3, 3});
  EXPECT_EQ(infer_one("Conv", {image, weight}, {{"pads", std::vector<int64_t>{1, 0, 1, 2}}}).dims,
            (Dims{"batch", 4, 224, 224}));
  expect_refused("group", "Conv", {image, weight}, {{"group", int64_t{3}}});
  expect_refused("dilations", "Conv", {image, weight}, {{"dilations", std::vector<int64_t>{2, 2}}});
  expect_refused("auto_pad", "Conv", {image, weight}, {{"auto_pad", std::string("SAME_UPPER")}});
  expect_refused("kernel_shape", "Conv", {image, weight},
                 {{"kernel_shape", std::vector<int64_t>{3, 2}}});
  expect_refused("pads must hold 4", "Conv", {image, weight},
                 {{"pads", std::vector<int64_t>{1, 1}}});
  expect_refused("does not fit", "Conv", {{DType::f16, {1, 3, 2, 2}}, weight});
  expect_refused("inner extents", "Conv", {image, {DType::f16, {4, 2, 3, 3}}});
  expect_refused("fixed extent", "Conv", {{DType::f16, {1, 3, "height", 8}}, weight});
}

const Attributes kHalf{{"out_dtype", std::string("f16")}};

TEST(InferMatrix, Linear) {
  const Given w(DType::f8e4m3, {8, 3});
  const Given bias(DType::f16, {3});
  EXPECT_EQ(infer_one("Linear", {kRows, {DType::bf16, {8, 3}}}, {}, "octet"),
            (ValueType{DType::f16, {"batch", 5, 3}}));
  EXPECT_EQ(
      infer_one(
          "Linear",
          {{DType::f8e4m3, {"tokens", 8}}, w, {DType::f32, {3}}, bias, {DType::f16, {"tokens", 3}}},
          kHalf, "octet"),
      (ValueType{DType::f16, {"tokens", 3}}));
  const auto refuse = [&](const std::string& part, const std::vector<Given>& inputs,
                          const Attributes& attributes) {
    expect_refused(part, "Linear", inputs, attributes, "octet");
  };
  refuse("out_dtype is missing", {{DType::f8e4m3, {2, 8}}, w}, {});
  refuse("y_scale", {kRows, w}, {{"out_dtype", std::string("f8e4m3")}});
  const std::vector<int64_t> sections{1, 2};
  refuse("does not cut up 3 columns", {kRows, w}, {{"sections", std::vector<int64_t>{2, 2}}});
  refuse("does not cut up 3 columns", {kRows, w}, {{"sections", std::vector<int64_t>{2}}});
  refuse("alpha holds 3 numbers for 2 sections", {kRows, w},
         {{"sections", sections}, {"alpha", std::vector<float>{1, 2, 3}}});
  refuse("y_scale is -1", {kRows, w},
         {{"sections", sections},
          {"out_dtype", std::string("f8e4m3")},
          {"y_scale", std::vector<float>{1, -1}}});
  refuse("activation is 'relu'", {kRows, w}, {{"activation", std::string("relu")}});
  refuse("x_scale", {kRows, w}, {{"x_scale", 0.0F}});
  refuse("inner extents", {kRows, {DType::f16, {7, 3}}}, {});
  refuse("input 2 has shape [5]; it must be [3]", {kRows, w, {DType::f32, {5}}}, {});
  refuse("must be one of f32", {kRows, w, {DType::f16, {3}}}, {});
  refuse("input 3", {kRows, w, Given::absent(), {DType::f16, {1}}}, {});
  refuse("input 4", {kRows, w, Given::absent(), bias, {DType::f16, {5, 3}}}, {});
  refuse("must be one of", {{DType::bf16, {2, 8}}, w}, {});
}

TEST(InferMatrix, Attention) {
  const Attributes two{{"heads", int64_t{2}}};
  EXPECT_EQ(infer_one("Attention", {kRows, kRows, kRows}, two, "octet"),
            (ValueType{DType::f16, {"batch", 5, 8}}));
  const Given packed(DType::f8e4m3, {"tokens", 8});
  const Given ranges(DType::i32, {"batch", 2});
  Attributes ragged = kHalf;
  ragged["heads"] = int64_t{4};
  EXPECT_EQ(infer_one("Attention", {packed, packed, packed, ranges}, ragged, "octet"),
            (ValueType{DType::f16, {"tokens", 8}}));
  const auto refuse = [&](const std::string& part, const std::vector<Given>& inputs,
                          const Attributes& attributes) {
    expect_refused(part, "Attention", inputs, attributes, "octet");
  };
  Attributes side_by_side{{"heads", int64_t{2}}, {"packed_qkv", int64_t{1}}};
  const Given qkv(DType::f16, {"batch", 5, 24});
  EXPECT_EQ(infer_one("Attention", {qkv, Given::absent(), Given::absent()}, side_by_side, "octet"),
            (ValueType{DType::f16, {"batch", 5, 8}}));
  refuse("do not split into q, k and v", {{DType::f16, {"batch", 5, 8}}}, side_by_side);
  refuse("must be left out", {qkv, qkv}, side_by_side);
  const Attributes pooled{{"heads", int64_t{2}}, {"pooled_query", int64_t{1}}};
  const Given query(DType::f16, {"batch", 8});
  EXPECT_EQ(infer_one("Attention", {query, kRows, kRows}, pooled, "octet"),
            (ValueType{DType::f16, {"batch", 8}}));
  refuse("it must be [batch, 8]", {{DType::f16, {"other", 8}}, kRows, kRows}, pooled);
  refuse("2 axes", {kRows, kRows, kRows}, pooled);
  side_by_side["pooled_query"] = int64_t{1};
  refuse("exclude each other", {query, kRows, kRows}, side_by_side);
  refuse("does not split into 3 heads", {kRows, kRows, kRows}, {{"heads", int64_t{3}}});
  refuse("0 heads", {kRows, kRows, kRows}, {});
  refuse("must be the same", {kRows, kRows, {DType::f32, {"batch", 5, 8}}}, two);
  refuse("it must be [batch, 5, 8]", {kRows, {DType::f16, {"batch", 6, 8}}, kRows}, two);
  refuse("3 axes", {packed, packed, packed}, ragged);
  refuse("out_dtype is missing", {packed, packed, packed, ranges}, two);
  refuse("two columns", {packed, packed, packed, {DType::i32, {"batch", 3}}}, ragged);
  refuse("attribute scale", {kRows, kRows, kRows}, {{"heads", int64_t{2}}, {"scale", -1.0F}});
}

TEST(InferMatrix, PatchEmbedding) {
  const Given image(DType::f16, {"batch", 3, 12, 12});
  const Given w(DType::f16, {48, 7});
  const Attributes attributes{{"patch", int64_t{4}}, {"leading", int64_t{1}}};
  EXPECT_EQ(
      infer_one("PatchEmbedding", {image, w, {DType::f16, {10, 7}}}, attributes, "octet").dims,
      (Dims{"batch", 10, 7}));
  expect_refused("it must be [10, 7]", "PatchEmbedding", {image, w, {DType::f16, {9, 7}}},
                 attributes, "octet");
  expect_refused("does not split into patches of 5", "PatchEmbedding",
                 {image, w, {DType::f16, {10, 7}}}, {{"patch", int64_t{5}}}, "octet");
}

TEST(InferMatrix, PackedText) {
  const Given ids(DType::i64, {"batch", 7});
  const Given table(DType::f16, {99, 8});
  const Given position(DType::f16, {7, 8});
  EXPECT_EQ(infer_one("Embedding", {ids, table, position}, {}, "octet").dims,
            (Dims{"batch", 7, 8}));
  EXPECT_EQ(infer_one("RowRanges", {ids}, {{"symbol", std::string("tokens")}}, "octet"),
            (ValueType{DType::i32, {"batch", 2}}));
  EXPECT_EQ(
      infer_one("PoolLast", {{DType::f16, {"tokens", 8}}, {DType::i32, {"batch", 2}}}, {}, "octet")
          .dims,
      (Dims{"batch", 8}));
  expect_refused("symbol", "RowRanges", {ids}, {}, "octet");
  expect_refused("octet.RowRanges", "Embedding", {ids, table, position, {DType::i32, {"batch", 2}}},
                 {}, "octet");
  expect_refused("exceed the 6 positions", "Embedding", {ids, table, {DType::f16, {6, 8}}}, {},
                 "octet");
}

}  // namespace
}  // namespace octet
