#include "train/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/crc32.h"
#include "train/io/file_kind.h"
#include "train/io/half.h"

namespace resgrad {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian");

using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::string_view kMetadata = "__metadata__";
constexpr std::string_view kChecksum = "checksum";
constexpr std::string_view kCrc32 = "crc32:";
constexpr std::string_view kNoDigits = "00000000";

// How elements stand in a file.
struct ElementType {
  DType dtype;  // of the tensor
  std::string_view text;
  std::size_t bytes;
  float (*value)(std::uint16_t) = nullptr;  // of types that are read alone
};
// In the order of the data: larger elements first, so that all are aligned; at equal size as the
// reference writer orders them. A type of tensors is written as the first of its kind.
constexpr std::array<ElementType, 5> kTypes = {{{DType::int64, "I64", 8},
                                                {DType::float64, "F64", 8},
                                                {DType::float32, "F32", 4},
                                                {DType::float32, "F16", 2, from_float16},
                                                {DType::float32, "BF16", 2, from_bfloat16}}};

auto dtype_rank(DType dtype) {
  return std::ranges::find(kTypes, dtype, &ElementType::dtype) - kTypes.begin();
}

struct Entry {
  std::string name;
  const ElementType* type = nullptr;
  std::optional<Shape> shape = {};
  std::optional<std::vector<std::uint64_t>> offsets = {};  // begin and end, relative to the data

  std::uint64_t begin() const { return offsets->at(0); }
  std::uint64_t end() const { return offsets->at(1); }
};

// A file without a header of safetensors: it is likely one of another kind.
struct NoHeader : IoError {
  using IoError::IoError;
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

// ---- reading the header -------------------------------------------------------------------------

// Reads the JSON event by event. A parser that builds a document would keep the last of two equal
// keys and so hide one of them.
class HeaderParser final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderParser(std::string_view file) : file_(file) {}

  Header take() && { return std::move(header_); }

  bool start_object(std::size_t) override {
    if (where_ == Where::outside) {
      where_ = Where::top;
    } else if (where_ == Where::top && key_ == kMetadata) {
      where_ = Where::metadata;
    } else if (where_ == Where::top) {
      where_ = Where::entry;
      header_.entries.push_back({.name = key_});
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(std::string& key) override {
    key_ = key;
    const bool is_new = where_ == Where::top        ? keys_.insert(key).second
                        : where_ == Where::metadata ? !header_.metadata.contains(key)
                                                    : is_new_field(key);
    require<IoError>(is_new, "safetensors: {}: {}: expected each key once, got {} twice", file_,
                     place(), key);
    return true;
  }

  bool end_object() override {
    if (where_ == Where::entry) {
      const Entry& e = header_.entries.back();
      require<IoError>(e.type != nullptr && e.shape && e.offsets,
                       "safetensors: {}: {}: expected dtype, shape and data_offsets, got no {}",
                       file_, place(),
                       !e.type    ? "dtype"
                       : !e.shape ? "shape"
                                  : "data_offsets");
    }
    where_ = where_ == Where::top ? Where::outside : Where::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (where_ == Where::entry && key_ == "shape") {
      where_ = Where::shape;
      header_.entries.back().shape.emplace();
    } else if (where_ == Where::entry && key_ == "data_offsets") {
      where_ = Where::offsets;
      header_.entries.back().offsets.emplace();
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    if (where_ == Where::offsets) {
      const std::size_t n = header_.entries.back().offsets->size();
      require<IoError>(n == 2, "safetensors: {}: {}: expected two data_offsets, got {}", file_,
                       place(), n);
    }
    where_ = Where::entry;
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (where_ == Where::shape && std::in_range<std::int64_t>(value)) {
      header_.entries.back().shape->push_back(static_cast<std::int64_t>(value));
    } else if (where_ == Where::offsets) {
      header_.entries.back().offsets->push_back(value);
    } else {
      unexpected(fmt::format("{}", value));
    }
    return true;
  }

  bool string(std::string& value) override {
    if (where_ == Where::metadata) {
      header_.metadata[key_] = value;
    } else if (where_ == Where::entry && key_ == "dtype") {
      const auto* found = std::ranges::find(kTypes, value, &ElementType::text);
      require<IoError>(found != kTypes.end(),
                       "safetensors: {}: {}: expected dtype F32, F64, I64, F16 or BF16, got {}",
                       file_, place(), value);
      header_.entries.back().type = found;
    } else {
      unexpected(fmt::format("\"{}\"", value));
    }
    return true;
  }

  bool null() override { return unexpected("null"); }
  bool boolean(bool value) override { return unexpected(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) override { return unexpected(fmt::format("{}", value)); }
  bool number_float(double, const std::string& text) override { return unexpected(text); }
  bool binary(Json::binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    throw IoError(fmt::format(
        "safetensors: {}: header: expected JSON, got a syntax error at byte {}", file_, position));
  }

 private:
  enum class Where { outside, top, metadata, entry, shape, offsets };

  bool is_new_field(const std::string& key) const {
    const Entry& e = header_.entries.back();
    if (key == "dtype") return e.type == nullptr;
    if (key == "shape") return !e.shape;
    if (key == "data_offsets") return !e.offsets;
    throw IoError(
        fmt::format("safetensors: {}: {}: expected only dtype, shape and data_offsets, got {}",
                    file_, place(), key));
  }

  std::string place() const {
    if (where_ == Where::outside || where_ == Where::top) return "header";
    if (where_ == Where::metadata) return std::string(kMetadata);
    return "tensor " + header_.entries.back().name;
  }

  std::string_view expected() const {
    switch (where_) {
      case Where::outside:
        return "an object";
      case Where::top:
        return "an object for each key";
      case Where::metadata:
        return "strings";
      case Where::entry:
        return key_ == "dtype" ? "a string as dtype" : "arrays as shape and data_offsets";
      case Where::shape:
        return "sizes from 0 to 2^63 - 1";
      case Where::offsets:
        break;
    }
    return "two offsets of at least 0";
  }

  bool unexpected(std::string_view got) const {
    throw IoError(
        fmt::format("safetensors: {}: {}: expected {}, got {}", file_, place(), expected(), got));
  }

  std::string_view file_;
  Where where_ = Where::outside;
  std::string key_;
  std::set<std::string, std::less<>> keys_;
  Header header_;
};

// The bytes of a tensor, or nothing when its sizes overflow. Zeros are left out of the check: the
// strides of [0, 2^40, 2^40] overflow too.
std::optional<std::uint64_t> checked_bytes(const Shape& shape, const ElementType& type) {
  std::uint64_t product = type.bytes;
  for (std::int64_t d : shape) {
    const auto size = static_cast<std::uint64_t>(std::max<std::int64_t>(d, 1));
    if (product > std::numeric_limits<std::int64_t>::max() / size) return std::nullopt;
    product *= size;
  }
  return std::ranges::find(shape, 0) != shape.end() ? 0 : product;
}

void check_entry_size(const Entry& e, std::string_view file) {
  const std::optional<std::uint64_t> bytes = checked_bytes(*e.shape, *e.type);
  require<IoError>(bytes.has_value(),
                   "safetensors: {}: tensor {}: expected fewer than 2^63 bytes, got shape {}", file,
                   e.name, *e.shape);
  require<IoError>(e.begin() <= e.end() && e.end() - e.begin() == *bytes,
                   "safetensors: {}: tensor {}: expected {} bytes for shape {} of {}, got "
                   "data_offsets [{}, {}]",
                   file, e.name, *bytes, *e.shape, e.type->text, e.begin(), e.end());
}

// Sorts by position and checks that the entries tile [0, data_bytes).
void check_tiling(std::vector<Entry>& entries, std::uint64_t data_bytes, std::string_view file) {
  std::ranges::sort(entries, {},
                    [](const Entry& e) { return std::tuple(e.begin(), e.end(), e.name); });
  std::uint64_t position = 0;
  for (const Entry& e : entries) {
    require<IoError>(e.begin() == position,
                     "safetensors: {}: tensor {}: expected data_offsets that begin at {}, where "
                     "the tensor before ends, got {}",
                     file, e.name, position, e.begin());
    position = e.end();
  }
  require<IoError>(position == data_bytes,
                   "safetensors: {}: expected {} bytes of data, as the header says, got {}", file,
                   position, data_bytes);
}

std::uint64_t header_size(std::span<const std::byte, kLengthBytes> length, std::uint64_t file_bytes,
                          std::string_view file) {
  std::uint64_t size = 0;
  std::memcpy(&size, length.data(), sizeof size);
  require<NoHeader>(size >= 2 && size <= kMaxHeader,
                    "safetensors: {}: header: expected 2 to {} bytes, got {}", file, kMaxHeader,
                    size);
  require<NoHeader>(size <= file_bytes - kLengthBytes,
                    "safetensors: {}: header: expected {} bytes, got {} up to the end of the file",
                    file, size, file_bytes - kLengthBytes);
  return size;
}

Header parse_header(std::string_view text, std::uint64_t data_bytes, std::string_view file) {
  require<NoHeader>(text.front() == '{',
                    "safetensors: {}: header: expected {{ as its first byte, got byte {}", file,
                    static_cast<unsigned char>(text.front()));
  // the JSON parser takes a zero byte for the end of the text and would not see what follows
  require<IoError>(text.find('\0') == text.npos,
                   "safetensors: {}: header: expected JSON, got a zero byte at {}", file,
                   text.find('\0'));
  HeaderParser parser(file);
  Json::sax_parse(text.begin(), text.end(), &parser);
  Header header = std::move(parser).take();
  for (const Entry& e : header.entries) check_entry_size(e, file);
  check_tiling(header.entries, data_bytes, file);
  return header;
}

// ---- checksum -----------------------------------------------------------------------------------

// CRC-32 of bytes as they come.
class Crc32 {
 public:
  void add(std::span<const std::byte> bytes) { crc_ = crc32(bytes, crc_); }
  std::string digits() const { return fmt::format("{:08x}", crc_); }

 private:
  std::uint32_t crc_ = 0;
};

// The digits of the checksum in the text of a header of our writer with this metadata.
std::span<char> checksum_digits(std::string& header,
                                const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find(std::string(kChecksum));
  if (found == metadata.end() || !found->second.starts_with(kCrc32) ||
      found->second.size() != kCrc32.size() + kNoDigits.size()) {
    return {};
  }
  const std::string field = fmt::format(R"("{}":"{}")", kChecksum, found->second);
  const std::size_t position = header.find(field);
  if (position == std::string::npos) return {};  // spaced or escaped in another way
  return std::span(header).subspan(position + field.size() - 1 - kNoDigits.size(),
                                   kNoDigits.size());
}

// ---- reading ------------------------------------------------------------------------------------

// Copies the next bytes of a file, in order, or throws.
using ReadNext = std::function<void(std::span<std::byte>)>;

// Length and text of the header as they stand in a file, and what they say.
struct ReadHeader {
  std::array<std::byte, kLengthBytes> length{};
  std::string text;
  Header header;
};

ReadHeader read_header(std::uint64_t file_bytes, std::string_view file, const ReadNext& read_next) {
  require<NoHeader>(file_bytes >= kLengthBytes,
                    "safetensors: {}: expected a header length of {} bytes, got a file of {}", file,
                    kLengthBytes, file_bytes);
  ReadHeader read;
  read_next(read.length);
  read.text.resize(header_size(read.length, file_bytes, file));
  read_next(std::as_writable_bytes(std::span(read.text)));
  read.header = parse_header(read.text, file_bytes - kLengthBytes - read.text.size(), file);
  return read;
}

// The next `size` bytes, piece by piece.
template <class F>
void pass_over(std::uint64_t size, const ReadNext& read_next, F&& use) {
  std::vector<std::byte> piece(std::min<std::uint64_t>(size, 1 << 18));
  for (std::uint64_t left = size; left > 0;) {
    const std::span part = std::span(piece).first(std::min<std::uint64_t>(left, piece.size()));
    read_next(part);
    use(part);
    left -= part.size();
  }
}

// Fills a tensor from the next elements of 16 bits.
template <class F>
void read_widened(Tensor& tensor, const ElementType& type, const ReadNext& read_next, F&& use) {
  float* to = tensor.data<float>();
  const auto size = type.bytes * static_cast<std::uint64_t>(tensor.numel());
  pass_over(size, read_next, [&](std::span<const std::byte> piece) {
    use(piece);
    for (std::size_t i = 0; i < piece.size(); i += type.bytes) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, piece.data() + i, sizeof bits);
      *to++ = type.value(bits);
    }
  });
}

TensorFile read(std::uint64_t file_bytes, std::string_view file, const ReadNext& read_next,
                const WantedTensor& wanted) {
  auto [length, text, header] = read_header(file_bytes, file, read_next);
  const std::span<char> digits = checksum_digits(text, header.metadata);
  const std::string expected(digits.begin(), digits.end());
  std::ranges::copy(kNoDigits.substr(0, digits.size()), digits.begin());
  Crc32 crc;
  crc.add(length);
  crc.add(std::as_bytes(std::span(text)));

  TensorFile contents{.metadata = std::move(header.metadata), .checksum = !digits.empty()};
  const auto add = [&, &has_checksum = contents.checksum](std::span<const std::byte> bytes) {
    if (has_checksum) crc.add(bytes);
  };
  for (Entry& e : header.entries) {
    if (wanted && !wanted(e.name)) {
      pass_over(e.end() - e.begin(), read_next, add);
      continue;
    }
    Tensor tensor = Tensor::empty(std::move(*e.shape), e.type->dtype);
    if (e.type->value != nullptr) {
      read_widened(tensor, *e.type, read_next, add);
      ++contents.widened[std::string(e.type->text)];
    } else {
      if (tensor.byte_size() != 0) read_next({tensor.bytes(), tensor.byte_size()});
      add({tensor.bytes(), tensor.byte_size()});
    }
    contents.tensors.push_back({std::move(e.name), std::move(tensor)});
  }
  if (contents.checksum) {
    require<IoError>(crc.digits() == expected,
                     "safetensors: {}: expected the checksum {} that it states, got {}: the file "
                     "is damaged, or was written anew with the metadata of another",
                     file, expected, crc.digits());
    contents.metadata.erase(std::string(kChecksum));
  }
  return contents;
}

// Opens the file and calls f(bytes, name, read_next).
template <class F>
auto with_file(const std::filesystem::path& path, F&& f) {
  const std::string file = path.string();
  const auto expect_safetensors = [&](std::string_view kind) {
    require<IoError>(kind.empty(), "safetensors: {}: expected a safetensors file, got {}", file,
                     kind);
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) expect_safetensors("a folder");
  const std::uintmax_t file_bytes = std::filesystem::file_size(path, error);
  require<IoError>(!error, "safetensors: {}: expected a file that can be read, got: {}", file,
                   error.message());
  std::ifstream in(path, std::ios::binary);
  require<IoError>(in.is_open(), "safetensors: {}: expected a file that can be opened, got: {}",
                   file, strerror(errno));
  const ReadNext read_next = [&](std::span<std::byte> to) {
    in.read(reinterpret_cast<char*>(to.data()), static_cast<std::streamsize>(to.size()));
    require<IoError>(in.good(), "safetensors: {}: expected to read {} bytes, got {}", file,
                     to.size(), in.gcount());
  };
  try {
    return f(file_bytes, file, read_next);
  } catch (const NoHeader&) {
    expect_safetensors(file_kind(path));
    throw;
  }
}

// ---- writing ------------------------------------------------------------------------------------

std::vector<NamedTensor> in_file_order(std::vector<NamedTensor> tensors) {
  for (const NamedTensor& t : tensors) {
    require<ValueError>(t.tensor.defined(),
                        "safetensors: tensor {}: expected a tensor, got an "
                        "undefined one",
                        t.name);
    require<ValueError>(t.name != kMetadata,
                        "safetensors: tensor {}: expected another name, this "
                        "one is reserved",
                        t.name);
  }
  std::ranges::sort(tensors, {}, &NamedTensor::name);
  const auto twice = std::ranges::adjacent_find(tensors, {}, &NamedTensor::name);
  require<ValueError>(twice == tensors.end(),
                      "safetensors: tensor {}: expected each name once, got it twice",
                      twice == tensors.end() ? "" : twice->name);
  std::ranges::stable_sort(tensors, {},
                           [](const NamedTensor& t) { return dtype_rank(t.tensor.dtype()); });
  return tensors;
}

std::string quoted(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::type_error&) {
    throw ValueError(fmt::format("safetensors: {}: expected UTF-8, got other bytes", text));
  }
}

std::string entry_text(const NamedTensor& t, std::uint64_t begin) {
  return fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", quoted(t.name),
                     kTypes[static_cast<std::size_t>(dtype_rank(t.tensor.dtype()))].text,
                     fmt::join(t.tensor.shape(), ","), begin, begin + t.tensor.byte_size());
}

// Length and padded JSON.
std::string header_text(const std::vector<NamedTensor>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> members;
  if (!metadata.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : metadata) pairs.push_back(quoted(key) + ':' + quoted(value));
    members.push_back(fmt::format(R"("{}":{{{}}})", kMetadata, fmt::join(pairs, ",")));
  }
  std::uint64_t position = 0;
  for (const NamedTensor& t : tensors) {
    members.push_back(entry_text(t, position));
    position += t.tensor.byte_size();
  }
  std::string json = fmt::format("{{{}}}", fmt::join(members, ","));
  json.resize((json.size() + 7) / 8 * 8, ' ');
  require<ValueError>(json.size() <= kMaxHeader,
                      "safetensors: header: expected at most {} bytes, got {}", kMaxHeader,
                      json.size());
  const std::uint64_t size = json.size();
  std::string length(sizeof size, '\0');
  std::memcpy(length.data(), &size, sizeof size);
  return length + json;
}

using WriteNext = std::function<void(std::span<const std::byte>)>;

void write_data(const std::vector<NamedTensor>& tensors, const WriteNext& write_next) {
  for (const NamedTensor& t : tensors) {
    const Tensor values = t.tensor.detach(MemoryFormat::contiguous);
    if (values.byte_size() != 0) write_next({values.bytes(), values.byte_size()});
  }
}

void write(const TensorFile& contents, const WriteNext& write_next) {
  const std::vector<NamedTensor> tensors = in_file_order(contents.tensors);
  auto metadata = contents.metadata;
  if (contents.checksum) metadata[std::string(kChecksum)] = fmt::format("{}{}", kCrc32, kNoDigits);
  std::string header = header_text(tensors, metadata);
  if (contents.checksum) {
    Crc32 crc;
    crc.add(std::as_bytes(std::span(header)));
    write_data(tensors, [&crc](std::span<const std::byte> bytes) { crc.add(bytes); });
    std::ranges::copy(crc.digits(), checksum_digits(header, metadata).begin());
  }
  write_next(std::as_bytes(std::span(header)));
  write_data(tensors, write_next);
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path, const WantedTensor& wanted) {
  return with_file(path, [&](std::uint64_t bytes, std::string_view file, const ReadNext& next) {
    return read(bytes, file, next, wanted);
  });
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  return with_file(path, [](std::uint64_t bytes, std::string_view file, const ReadNext& next) {
    return read_header(bytes, file, next).header.metadata;
  });
}

TensorFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  std::span<const std::byte> rest = bytes;
  const ReadNext read_next = [&](std::span<std::byte> to) {
    std::ranges::copy(rest.first(to.size()), to.begin());
    rest = rest.subspan(to.size());
  };
  return read(bytes.size(), name, read_next, {});
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& contents) {
  AtomicFile file(path);
  write_safetensors(file, contents);
  file.commit();
}

void write_safetensors(AtomicFile& file, const TensorFile& contents) {
  write(contents, [&](std::span<const std::byte> bytes) { file.write(bytes); });
}

std::vector<std::byte> serialise_safetensors(const TensorFile& contents) {
  std::vector<std::byte> out;
  write(contents, [&](std::span<const std::byte> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
  });
  return out;
}

}  // namespace resgrad
