#pragma once

#include <string>
#include <vector>

namespace octet::cuda {

/// A shared library that is found at run time and stays open. For one thread.
class Library {
 public:
  /// Opens the first of `names` that can be opened.
  explicit Library(const std::vector<std::string>& names);

  [[nodiscard]] bool opened() const { return handle_ != nullptr; }
  /// Sets `entry` to the function of this name; to null when there is none.
  template <typename Entry>
  void find(const char* name, Entry& entry) {
    entry = reinterpret_cast<Entry>(address(name));
  }
  /// The first name that was looked for and is not there; empty when there is none.
  [[nodiscard]] const std::string& missing() const { return missing_; }

 private:
  void* address(const char* name);

  void* handle_ = nullptr;
  std::string missing_;
};

/// Fills in what a library offers: `load` returns why it cannot be used, empty when it can. For
/// structs with an `availability` that says `available` and the `reason`.
template <typename Loaded>
Loaded loaded_by(std::string (*load)(Loaded&)) {
  Loaded result;
  result.availability.reason = load(result);
  result.availability.available = result.availability.reason.empty();
  return result;
}

}  // namespace octet::cuda
