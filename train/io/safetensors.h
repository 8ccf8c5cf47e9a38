// Files of named tensors in the safetensors format: a strict reader and a canonical writer.
//   u64 N (little-endian) | N bytes of JSON, padded with spaces | data
// Built on tensors and atomic files.
//
// Source  https://github.com/huggingface/safetensors, "Format" in the README.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/named_tensor.h"

namespace resgrad {

struct TensorFile {
  std::vector<NamedTensor> tensors = {};
  std::map<std::string, std::string> metadata = {};
  /// The file has a checksum over all of its bytes: writing adds one, reading says whether there
  /// was one, which then fits. It is the metadata field `checksum`, "crc32:" and eight hexadecimal
  /// digits, taken of the file with eight zeros as the digits; it is not among `metadata` here.
  /// A change of any byte other than a removal of that field is an error to the reader.
  bool checksum = false;
  /// How many tensors had elements of 16 bits when they were read, by the name of the type.
  std::map<std::string, std::size_t> widened = {};
};

/// Whether the tensor of a name is to be read.
using WantedTensor = std::function<bool(std::string_view name)>;

/// Reads a file: all of it, or the tensors that are `wanted`, which takes memory for those alone.
/// The others are passed over; a checksum counts them as well. Tensors are contiguous and come in
/// the order of their data; F32, F64 and I64 become float32, float64 and int64; F16 and BF16 become
/// float32, which has all of their values.
/// Throws  IoError that names the file and the tensor or key when the file cannot be read or breaks
///         a rule: the header has 2 to 100,000,000 bytes, starts with `{` and is JSON without
///         duplicate keys; each entry has exactly dtype, shape and data_offsets, with as many bytes
///         as shape and dtype need; the entries cover the data without hole or overlap up to the
///         end of the file; `__metadata__` maps strings to strings; a checksum fits.
TensorFile read_safetensors(const std::filesystem::path& path, const WantedTensor& wanted = {});

/// The metadata alone, the field `checksum` included. The tensors are not looked at, and so no
/// checksum is compared.
/// Throws  IoError for a header that breaks a rule.
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

/// Writes a file atomically, byte for byte the same for the same contents: tensors by dtype (int64,
/// float64, float32), then name; metadata by key; the header padded to a multiple of 8 bytes;
/// values in logical (row-major) order, whatever the memory format.
/// Throws  ValueError for an undefined tensor, a name that is given twice, `__metadata__` or not
///         UTF-8, and a header above 100,000,000 bytes; IoError when the file cannot be written.
void write_safetensors(const std::filesystem::path& path, const TensorFile& contents);
/// The same to an open file, which the caller commits.
void write_safetensors(AtomicFile& file, const TensorFile& contents);

/// The same from and to memory. `name` stands for the file in messages.
TensorFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name);
std::vector<std::byte> serialise_safetensors(const TensorFile& contents);

}  // namespace resgrad
