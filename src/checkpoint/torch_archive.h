#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace octet::checkpoint {

/// The pickle (data.pkl) inside a file that torch.save wrote, a zip archive. Tensor storages stay
/// unread. Throws `Error(bad_input)`.
std::vector<std::byte> read_torch_pickle(const std::filesystem::path& path);

}  // namespace octet::checkpoint
