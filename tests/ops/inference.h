#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/ops.h"

namespace octet {

/// An operand of a node under test: a typed input, a constant, or nothing.
struct Given {
  Given(DType given_dtype, Dims given_dims) : dtype(given_dtype), dims(std::move(given_dims)) {}
  Given(Tensor tensor) : constant(std::move(tensor)) {}  // NOLINT(google-explicit-constructor)
  static Given absent();

  DType dtype = DType::f32;
  Dims dims;
  std::optional<Tensor> constant;
  bool left_out = false;
};

/// A constant i64 vector.
Given integers(const std::vector<int64_t>& values);

/// The inferred type of the only output of one node named "node".
ValueType infer_one(const std::string& op, const std::vector<Given>& inputs,
                    const Attributes& attributes = {}, const std::string& domain = "");

/// Inference refuses with a message that names node and operator and holds `part`.
void expect_refused(const std::string& part, const std::string& op,
                    const std::vector<Given>& inputs, const Attributes& attributes = {},
                    const std::string& domain = "");

}  // namespace octet
