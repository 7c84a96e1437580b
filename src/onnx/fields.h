#pragma once

#include <cstddef>
#include <cstdint>

/// Field numbers and codes of the public ONNX protobuf schema (IR version 13), as far as they are
/// read or written here.
namespace octet::onnx {

namespace model {
inline constexpr uint32_t kIrVersion = 1;
inline constexpr uint32_t kProducerName = 2;
inline constexpr uint32_t kProducerVersion = 3;
inline constexpr uint32_t kGraph = 7;
inline constexpr uint32_t kOpsetImport = 8;
inline constexpr uint32_t kMetadata = 14;
inline constexpr uint32_t kFunctions = 25;
}  // namespace model

namespace opset {
inline constexpr uint32_t kDomain = 1;
inline constexpr uint32_t kVersion = 2;
}  // namespace opset

/// StringStringEntryProto.
namespace entry {
inline constexpr uint32_t kKey = 1;
inline constexpr uint32_t kValue = 2;
}  // namespace entry

namespace function {
inline constexpr uint32_t kName = 1;
inline constexpr uint32_t kDomain = 10;
}  // namespace function

namespace graph {
inline constexpr uint32_t kNode = 1;
inline constexpr uint32_t kName = 2;
inline constexpr uint32_t kInitializer = 5;
inline constexpr uint32_t kInput = 11;
inline constexpr uint32_t kOutput = 12;
inline constexpr uint32_t kValueInfo = 13;
inline constexpr uint32_t kSparseInitializer = 15;
}  // namespace graph

namespace node {
inline constexpr uint32_t kInput = 1;
inline constexpr uint32_t kOutput = 2;
inline constexpr uint32_t kName = 3;
inline constexpr uint32_t kOpType = 4;
inline constexpr uint32_t kAttribute = 5;
inline constexpr uint32_t kDomain = 7;
}  // namespace node

namespace attribute {
inline constexpr uint32_t kName = 1;
inline constexpr uint32_t kFloat = 2;
inline constexpr uint32_t kInt = 3;
inline constexpr uint32_t kString = 4;
inline constexpr uint32_t kTensor = 5;
inline constexpr uint32_t kFloats = 7;
inline constexpr uint32_t kInts = 8;
inline constexpr uint32_t kType = 20;
inline constexpr uint32_t kReference = 21;

/// AttributeProto.AttributeType.
enum class Type : int32_t {
  undefined = 0,
  real = 1,
  integer = 2,
  string = 3,
  tensor = 4,
  graph = 5,
  reals = 6,
  integers = 7,
  graphs = 10,
};
}  // namespace attribute

namespace value_info {
inline constexpr uint32_t kName = 1;
inline constexpr uint32_t kType = 2;
}  // namespace value_info

namespace type {
inline constexpr uint32_t kTensor = 1;
inline constexpr uint32_t kElementType = 1;
inline constexpr uint32_t kShape = 2;
inline constexpr uint32_t kDim = 1;
inline constexpr uint32_t kDimValue = 1;
inline constexpr uint32_t kDimParam = 2;
}  // namespace type

namespace tensor {
inline constexpr uint32_t kDims = 1;
inline constexpr uint32_t kDataType = 2;
inline constexpr uint32_t kSegment = 3;
inline constexpr uint32_t kFloatData = 4;
inline constexpr uint32_t kInt32Data = 5;
inline constexpr uint32_t kInt64Data = 7;
inline constexpr uint32_t kName = 8;
inline constexpr uint32_t kRawData = 9;
inline constexpr uint32_t kDoubleData = 10;
inline constexpr uint32_t kUint64Data = 11;
inline constexpr uint32_t kExternalData = 13;
inline constexpr uint32_t kDataLocation = 14;

inline constexpr int64_t kLocationExternal = 1;
}  // namespace tensor

namespace sparse {
inline constexpr uint32_t kValues = 1;
}  // namespace sparse

/// What export writes: the lowest versions that know FP8 quantization and Gelu.
inline constexpr int64_t kIrVersionWritten = 9;
inline constexpr int64_t kOpsetWritten = 20;

/// What import accepts.
inline constexpr int64_t kIrVersionMin = 3;
inline constexpr int64_t kIrVersionMax = 13;
inline constexpr int64_t kOpsetMin = 17;
inline constexpr int64_t kOpsetMax = 23;

/// Bounds on what a file from outside may hold; far above any real model.
namespace limit {
inline constexpr size_t kNodes = 4'000'000;
inline constexpr size_t kTensors = 1'000'000;
inline constexpr size_t kValues = 4'000'000;
inline constexpr size_t kOperands = 1 << 16;      ///< inputs, outputs or attributes of one node
inline constexpr size_t kModelEntries = 1 << 16;  ///< opset imports, functions, metadata
inline constexpr size_t kNameBytes = 1 << 16;
inline constexpr size_t kRank = 32;
}  // namespace limit

}  // namespace octet::onnx
