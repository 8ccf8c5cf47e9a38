// The decoded images of a folder in a file, for the next time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace resgrad::data {

struct DecodedFolder {
  std::vector<std::uint8_t> images, labels;  ///< as in Dataset
  std::vector<std::string> files;            ///< as in Dataset
  std::vector<std::string> damaged;          ///< what is said of the images that are not among them
  bool all_read = true;  ///< the bytes of all files were read: what is damaged remains so
};

/// What write_folder_cache() wrote under `key` (32 characters); nothing if the file is missing, of
/// another key, damaged, or has images of another size.
std::optional<DecodedFolder> read_folder_cache(const std::filesystem::path& file,
                                               const std::string& key, std::int64_t image_bytes);

/// Writes the file as an AtomicFile. Returns what is wrong if it cannot be written, else nothing.
/// The folder must be there; what writers that were killed left of it goes after a day.
/// Format  "resgrad folder cache 3\n" and the key; the numbers of images and of bytes of an image,
///         and the bytes of the texts, 8 bytes each in the order of the processor; labels, images,
///         the texts (files, then what is said of damaged ones), each ended by a zero; the CRC-32
///         of all of it, 4 bytes.
std::string write_folder_cache(const std::filesystem::path& file, const std::string& key,
                               const DecodedFolder& folder);

}  // namespace resgrad::data
