#include "onnx/tensor_reader.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "onnx/element_type.h"
#include "onnx/fields.h"
#include "onnx/wire_reader.h"

namespace octet::onnx {
namespace {

struct TensorView {
  Shape shape;
  int64_t data_type = 0;
  std::optional<std::string_view> raw;
  std::vector<std::string_view> external;
  bool is_external = false;
};

TensorView view_tensor(std::string_view bytes) {
  WireReader reader(bytes, "TensorProto");
  TensorView view;
  const auto add_extent = [&view](int64_t extent) {
    check_below(view.shape.size(), limit::kRank, "dimensions of one tensor");
    view.shape.push_back(extent);
  };
  while (reader.next()) {
    switch (reader.field()) {
      case tensor::kDims:
        reader.each_integer(add_extent);
        break;
      case tensor::kDataType:
        view.data_type = reader.integer();
        break;
      case tensor::kSegment:
        fail_input("it is stored in segments, which is not supported");
      case tensor::kRawData:
        view.raw = reader.bytes();
        break;
      case tensor::kExternalData:
        check_below(view.external.size(), limit::kModelEntries, "external data entries");
        view.external.push_back(reader.bytes());
        break;
      case tensor::kDataLocation:
        view.is_external = reader.integer() == tensor::kLocationExternal;
        break;
      default:
        reader.skip();
    }
  }
  return view;
}

/// Calls `take` with each element of typed field `field`: float, double or int64_t.
template <typename Take>
void each_typed(std::string_view bytes, uint32_t field, Take&& take) {
  WireReader reader(bytes, "TensorProto");
  while (reader.next()) {
    if (reader.field() != field)
      reader.skip();
    else if (field == tensor::kFloatData)
      reader.each_float(take);
    else if (field == tensor::kDoubleData)
      reader.each_double(take);
    else
      reader.each_integer(take);
  }
}

bool is_signed(DType dtype) {
  return dtype == DType::i8 || dtype == DType::i16 || dtype == DType::i32 || dtype == DType::i64;
}

/// Little-endian bytes appended to a tensor's memory, element by element.
class ElementWriter {
 public:
  explicit ElementWriter(Tensor& target)
      : target_(target), size_(size_of(target.dtype())), signed_(is_signed(target.dtype())) {}

  void operator()(float value) { append(&value); }
  void operator()(double value) { append(&value); }
  void operator()(int64_t value) {
    if (!fits(value)) {
      fail_input("its element {} is {}, which is no {}", position_ / size_, value,
                 name_of(target_.dtype()));
    }
    append(&value);
  }

 private:
  [[nodiscard]] bool fits(int64_t value) const {
    if (size_ == sizeof(value)) return true;
    const auto bits = static_cast<int>(8 * size_);
    return signed_ ? value >= -(int64_t{1} << (bits - 1)) && value < (int64_t{1} << (bits - 1))
                   : value >= 0 && value < (int64_t{1} << bits);
  }
  void append(const void* value) {
    std::memcpy(target_.mutable_bytes().data() + position_, value, size_);
    position_ += size_;
  }

  Tensor& target_;
  size_t size_;
  bool signed_;
  size_t position_ = 0;
};

Tensor decode_typed(std::string_view bytes, DType dtype, const Shape& shape) {
  const uint32_t field = typed_data_field(dtype);
  const int64_t needed = element_count(shape);
  int64_t held = 0;
  each_typed(bytes, field, [&held](auto) { ++held; });
  if (held != needed) {
    fail_input("it holds {} elements, its shape {} needs {}", held, to_string(shape), needed);
  }
  Tensor tensor(dtype, shape);
  each_typed(bytes, field, ElementWriter(tensor));
  return tensor;
}

size_t bytes_needed(DType dtype, const Shape& shape) {
  size_t needed = 0;
  if (__builtin_mul_overflow(static_cast<size_t>(element_count(shape)), size_of(dtype), &needed)) {
    fail_input("its shape {} has too many bytes", to_string(shape));
  }
  return needed;
}

Tensor view_or_copy(DType dtype, Shape shape, std::span<const std::byte> bytes,
                    std::shared_ptr<const void> owner) {
  Tensor tensor = Tensor::view(dtype, std::move(shape), bytes, std::move(owner));
  const bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % size_of(dtype) == 0;
  return aligned ? tensor : tensor.clone();
}

}  // namespace

Tensor TensorReader::read(std::string_view bytes) {
  const TensorView view = view_tensor(bytes);
  const std::optional<DType> dtype = dtype_of_code(view.data_type);
  if (!dtype) {
    fail_input("its element type {} is not supported", element_name(view.data_type));
  }
  const size_t needed = bytes_needed(*dtype, view.shape);
  if (view.is_external) {
    const ExternalBytes found = external_.find(view.external, needed);
    return view_or_copy(*dtype, view.shape, found.bytes, found.owner);
  }
  if (!view.raw) return decode_typed(bytes, *dtype, view.shape);
  if (view.raw->size() != needed) {
    fail_input("it holds {} bytes, {} {} needs {}", view.raw->size(), name_of(*dtype),
               to_string(view.shape), needed);
  }
  return view_or_copy(*dtype, view.shape, std::as_bytes(std::span(*view.raw)), owner_);
}

std::string_view tensor_name(std::string_view bytes) {
  WireReader reader(bytes, "TensorProto");
  std::string_view name;
  while (reader.next()) {
    if (reader.field() == tensor::kName)
      name = reader.name();
    else
      reader.skip();
  }
  return name;
}

}  // namespace octet::onnx
