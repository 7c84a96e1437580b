#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace octet {

/// A setting read from the environment. Every knob of the library is a row of one table
/// (knob.cpp), so `octet knobs` can list them all; nothing else reads the environment.
struct Knob {
  std::string_view name;      ///< the environment variable, OCTET_...
  std::string_view fallback;  ///< what holds when it is not set
  std::string_view meaning;
};

std::span<const Knob> all_knobs();

/// The value in the environment, or the knob's fallback. `name` must be in the table.
std::string knob(std::string_view name);

/// Where the program may keep what it can make again: knob OCTET_CACHE, else $XDG_CACHE_HOME/octet,
/// else ~/.cache/octet. Need not exist.
std::filesystem::path cache_folder();

}  // namespace octet
