#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace octet {

/// What kind of failure it is; the values are the program's exit codes.
enum class FailureKind : int {
  failed = 1,              ///< the work itself failed (disk full, NaN in calibration)
  usage = 2,               ///< the call makes no sense
  bad_input = 3,           ///< a file is not what it must be
  device_unavailable = 4,  ///< the backend asked for is not on this machine
  interrupted = 130,
};

struct Failure {
  FailureKind kind = FailureKind::failed;
  std::string message;  ///< one sentence: what, where, what to do
};

/// A value or a Failure: what every call of this API returns. Nothing in it throws but
/// `value()` and `error()` when asked for the wrong one (std::logic_error, a bug of the caller).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Result(Failure failure) : content_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] const T& value() const& {
    require(0);
    return std::get<0>(content_);
  }
  [[nodiscard]] T& value() & {
    require(0);
    return std::get<0>(content_);
  }
  [[nodiscard]] T&& value() && {
    require(0);
    return std::get<0>(std::move(content_));
  }
  [[nodiscard]] const Failure& error() const {
    require(1);
    return std::get<1>(content_);
  }

  /// `function(value)` when there is one; the Failure otherwise. `function` returns a Result.
  template <typename Function>
  auto and_then(Function&& function) && -> decltype(function(std::declval<T>())) {
    if (!has_value()) return std::get<1>(std::move(content_));
    return std::forward<Function>(function)(std::get<0>(std::move(content_)));
  }

 private:
  void require(size_t index) const {
    if (content_.index() != index) {
      throw std::logic_error(index == 0 ? "Result has no value: " + std::get<1>(content_).message
                                        : "Result has a value, not an error");
    }
  }

  std::variant<T, Failure> content_;
};

/// Success without a value, or a Failure.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Failure failure) : failure_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const noexcept { return !failure_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] const Failure& error() const {
    if (!failure_) throw std::logic_error("Result has no error");
    return *failure_;
  }

 private:
  std::optional<Failure> failure_;
};

}  // namespace octet
