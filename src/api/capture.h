#pragma once

#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "octet/result.h"

namespace octet::api {

/// Runs `body` and turns whatever leaves it into a Failure: nothing is thrown through the public
/// door.
template <typename T, typename Body>
Result<T> capture(Body&& body) {
  try {
    if constexpr (std::is_void_v<T>) {
      std::forward<Body>(body)();
      return {};
    } else {
      return std::forward<Body>(body)();
    }
  } catch (const Error& error) {
    return Failure{static_cast<FailureKind>(error.code()), error.what()};
  } catch (const std::bad_alloc&) {
    return Failure{FailureKind::failed, "out of memory"};
  } catch (const std::exception& error) {
    return Failure{FailureKind::failed, error.what()};
  }
}

}  // namespace octet::api
