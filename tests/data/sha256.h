#pragma once

#include <fmt/format.h>
#include <openssl/evp.h>

#include <span>
#include <string>

namespace octet::data {

/// Lower-case hexadecimal.
inline std::string sha256(std::span<const std::byte> bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace octet::data
