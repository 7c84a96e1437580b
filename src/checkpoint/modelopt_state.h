#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace octet::checkpoint {

/// What Model Optimizer's state says of one quantizer, under the state's name.
struct ModelOptQuantizer {
  bool enabled = false;
  bool fp8 = false;                ///< E4M3
  bool dynamic_per_token = false;  ///< no stored amax: computed per row
  bool blocks = false;             ///< one scale per block
};

/// Reads modelopt_state.pth without executing anything: exactly the opcodes and globals that Model
/// Optimizer's plain state needs. The last step's state counts: earlier ones were overridden.
/// Throws `Error(bad_input)`.
std::map<std::string, ModelOptQuantizer> read_modelopt_state(const std::filesystem::path& path);

}  // namespace octet::checkpoint
