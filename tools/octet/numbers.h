#pragma once

#include <CLI/CLI.hpp>

namespace octet::cli {

/// What an option's number must be, refused in plain words: CLI11's own name the largest double.
CLI::Validator positive();
CLI::Validator not_negative();

}  // namespace octet::cli
