#pragma once

#include <memory>
#include <string_view>

#include "onnx/external_data.h"
#include "tensor/tensor.h"

namespace octet::onnx {

/// Decodes TensorProto messages of one file. Raw and external data stay views of their mapping
/// (copied only where they are not aligned to their element); typed data is decoded.
class TensorReader {
 public:
  /// `owner` keeps the model's bytes alive; every tensor that views them shares it.
  TensorReader(std::shared_ptr<const void> owner, ExternalData external)
      : owner_(std::move(owner)), external_(std::move(external)) {}

  /// Throws `Error(bad_input)`, its message about "it", to be prefixed with what the tensor is.
  /// Nothing is allocated before the file is known to hold as many elements as the shape says.
  Tensor read(std::string_view bytes);

 private:
  std::shared_ptr<const void> owner_;
  ExternalData external_;
};

/// The name of a TensorProto, without looking at its data.
std::string_view tensor_name(std::string_view bytes);

}  // namespace octet::onnx
