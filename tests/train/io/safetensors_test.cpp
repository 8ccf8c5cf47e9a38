// Round trips, the bytes of the reference writer, and damaged files of every kind.
#include "train/io/safetensors.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <map>
#include <string>

#include "core/check.h"
#include "core/random.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using testing::bit_equal;
using testing::TemporaryFolder;
using Bytes = std::vector<std::byte>;

// A file of this header, without padding, and so many bytes of data.
Bytes file_of(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t size = header.size();
  Bytes bytes(sizeof size + header.size() + data_bytes, std::byte{1});
  std::memcpy(bytes.data(), &size, sizeof size);
  std::memcpy(bytes.data() + sizeof size, header.data(), header.size());
  return bytes;
}

// The message of parsing, less the "safetensors: FILE: "; empty when it succeeds.
std::string failure(const Bytes& bytes) {
  try {
    parse_safetensors(bytes, "FILE");
  } catch (const IoError& e) {
    const std::string text = e.what();
    REQUIRE(text.starts_with("safetensors: FILE: "));
    return text.substr(std::strlen("safetensors: FILE: "));
  }
  return "";
}

std::string failure(const std::string& header, std::size_t data_bytes) {
  return failure(file_of(header, data_bytes));
}

TensorFile small_file() {
  return {.tensors = {{"f", Tensor::from<float>({1.5F, -2, 3, 4, 5, 6}, {2, 3})},
                      {"d", Tensor::from<double>({0.1, 1e300}, {2})},
                      {"n", Tensor::from<std::int64_t>({-7}, {})},
                      {"e", Tensor::zeros({2, 0})}},
          .metadata = {{"k", "v"}}};
}

void check_same(const TensorFile& got, const TensorFile& want) {
  CHECK_EQ(got.metadata, want.metadata);
  REQUIRE_EQ(got.tensors.size(), want.tensors.size());
  for (const NamedTensor& t : want.tensors) {
    CAPTURE(t.name);
    const auto found = std::ranges::find(got.tensors, t.name, &NamedTensor::name);
    REQUIRE(found != got.tensors.end());
    CHECK(bit_equal(found->tensor, t.tensor));
  }
}

TEST_CASE("every dtype and rank comes back bit for bit") {
  const TemporaryFolder folder;
  Random random(7, Purpose::test);
  TensorFile contents{.metadata = {{"format", "pt"}, {"empty", ""}}};
  Shape shape;
  for (std::int64_t rank = 0; rank <= 6; ++rank) {
    for (DType dtype : {DType::float32, DType::float64}) {
      contents.tensors.push_back(
          {fmt::format("rank{}.{}", rank, name(dtype)), Tensor::randn(shape, random, dtype)});
    }
    Tensor labels = Tensor::empty(shape, DType::int64);
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      labels.data<std::int64_t>()[i] = -i * 1'000'000'007;
    }
    contents.tensors.push_back({fmt::format("rank{}.int64", rank), labels});
    shape.push_back(1 + rank % 3);
  }
  contents.tensors.push_back({"empty", Tensor::zeros({0})});
  contents.tensors.push_back({"special", Tensor::from<float>({-0.0F, INFINITY, NAN, 1e-45F}, {4})});
  write_safetensors(folder.path() / "file", contents);
  check_same(read_safetensors(folder.path() / "file"), contents);
  CHECK_EQ(folder.names(), std::vector<std::string>{"file"});
  check_same(parse_safetensors(serialise_safetensors(contents), "memory"), contents);
}

TEST_CASE("a file without tensors is a file") {
  const TensorFile contents = parse_safetensors(serialise_safetensors({}), "memory");
  CHECK(contents.tensors.empty());
  CHECK(contents.metadata.empty());
}

TEST_CASE("values are written in logical order") {
  Random random(8, Purpose::test);
  const Tensor nhwc =
      Tensor::randn({2, 3, 4, 5}, random, DType::float32, MemoryFormat::channels_last);
  const TensorFile got =
      parse_safetensors(serialise_safetensors({.tensors = {{"x", nhwc}}}), "memory");
  CHECK(bit_equal(got.tensors.at(0).tensor, nhwc.detach(MemoryFormat::contiguous)));
}

TEST_CASE("the bytes are canonical: dtype by size, then name, sorted metadata, padded") {
  TensorFile contents = small_file();
  contents.metadata["a\"\n\u00e9"] = "1";
  const std::string json = R"({"__metadata__":{"a\"\né":"1","k":"v"},)"
                           R"("n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                           R"("d":{"dtype":"F64","shape":[2],"data_offsets":[8,24]},)"
                           R"("e":{"dtype":"F32","shape":[2,0],"data_offsets":[24,24]},)"
                           R"("f":{"dtype":"F32","shape":[2,3],"data_offsets":[24,48]}})";
  const Bytes bytes = serialise_safetensors(contents);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  CHECK_EQ(size, (json.size() + 7) / 8 * 8);
  CHECK_EQ(bytes.size(), 8 + size + 48);
  std::string header(reinterpret_cast<const char*>(bytes.data()) + 8, size);
  CHECK_EQ(header, json + std::string(size - json.size(), ' '));
  std::ranges::reverse(contents.tensors);
  CHECK(serialise_safetensors(contents) == bytes);
  check_same(parse_safetensors(bytes, "memory"), contents);
}

TEST_CASE("the writer rejects what no reader would take") {
  const Tensor t = Tensor::zeros({1});
  const auto rejects = [](const TensorFile& contents) {
    CHECK_THROWS_AS(serialise_safetensors(contents), ValueError);
  };
  rejects({.tensors = {{"a", t}, {"b", t}, {"a", t}}});
  rejects({.tensors = {{"__metadata__", t}}});
  rejects({.tensors = {{"a", Tensor()}}});
  rejects({.tensors = {{"\xff", t}}});
  rejects({.metadata = {{"a", "\xc3"}}});
}

TEST_CASE("a file that cannot be written leaves the old one") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  write_safetensors(file, small_file());
  const TensorFile large{.tensors = {{"x", Tensor::zeros({100'000})}}};
  const std::string result = testing::in_child_with_file_limit(4096, [&] {
    write_safetensors(file, large);
    return std::string();
  });
  CHECK_EQ(result,
           "uncaught: write: " + file.string() + ": expected to write, got: File too large");
  check_same(read_safetensors(file), small_file());
}

TEST_CASE("tensors that are not wanted are passed over, and the checksum counts them") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  TensorFile contents = small_file();
  contents.tensors.push_back({"large", Tensor::ones({300, 1001})});  // more than a piece
  contents.tensors.push_back({"last", Tensor::ones({3})});
  for (const bool checksum : {true, false}) {
    CAPTURE(checksum);
    contents.checksum = checksum;
    write_safetensors(file, contents);
    const TensorFile got =
        read_safetensors(file, [](std::string_view name) { return name == "d" || name == "last"; });
    CHECK_EQ(got.checksum, checksum);
    check_same(got, {.tensors = {contents.tensors[1], contents.tensors[5]},
                     .metadata = contents.metadata});
  }
  contents.checksum = true;
  write_safetensors(file, contents);
  std::fstream damaged(file, std::ios::binary | std::ios::in | std::ios::out);
  damaged.seekp(-1000, std::ios::end);  // within `large`
  damaged.put('x');
  damaged.close();
  CHECK_THROWS_AS(read_safetensors(file, [](std::string_view name) { return name == "d"; }),
                  IoError);
  // the metadata alone say nothing about the tensors
  CHECK_EQ(read_safetensors_metadata(file).at("k"), "v");
  CHECK(read_safetensors_metadata(file).contains("checksum"));
  CHECK_THROWS_AS(read_safetensors_metadata(folder.path() / "none"), IoError);
}

TEST_CASE("a file of another kind is an error that names the kind") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "file").string();
  const auto refused = [&](const std::string& bytes, const std::string& kind) {
    std::ofstream(file, std::ios::binary) << bytes;
    const std::string expected =
        "safetensors: " + file + ": expected a safetensors file, got " + kind;
    CHECK_THROWS_WITH_AS(read_safetensors(file), expected.c_str(), IoError);
    CHECK_THROWS_WITH_AS(read_safetensors_metadata(file), expected.c_str(), IoError);
  };
  refused("PK\x03\x04" + std::string(100, 'x'), "a ZIP archive, as torch.save() writes it");
  refused("{\"model\": \"resnet20\"}", "JSON text");
  refused("", "an empty file");
  const std::string expected =
      "safetensors: " + folder.path().string() + ": expected a safetensors file, got a folder";
  CHECK_THROWS_WITH_AS(read_safetensors(folder.path()), expected.c_str(), IoError);
}

TEST_CASE("files that are missing or folders are errors") {
  const TemporaryFolder folder;
  const std::string missing = (folder.path() / "missing").string();
  CHECK_THROWS_WITH_AS(read_safetensors(missing),
                       ("safetensors: " + missing +
                        ": expected a file that can be read, got: No such file or directory")
                           .c_str(),
                       IoError);
  CHECK_THROWS_AS(read_safetensors(folder.path()), IoError);
}

TEST_CASE("every truncation and every extension is an error") {
  const TemporaryFolder folder;
  const Bytes whole = serialise_safetensors(small_file());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_NE(failure(part), "");
    const fs::path file = folder.path() / "file";
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(size));
    CHECK_THROWS_AS(read_safetensors(file), IoError);
  }
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  CHECK_EQ(failure(longer), "expected 48 bytes of data, as the header says, got 49");
}

TEST_CASE("a changed byte of the header is an error, or changes no more than a name or a text") {
  const TensorFile original = small_file();
  const Bytes whole = serialise_safetensors(original);
  const TensorFile reference = parse_safetensors(whole, "memory");
  const std::size_t header_end = whole.size() - 48;
  std::size_t parsed = 0, rejected = 0;
  for (std::size_t i = 0; i < header_end; ++i) {
    for (unsigned change = 1; change < 256; ++change) {
      Bytes bytes = whole;
      bytes[i] ^= static_cast<std::byte>(change);
      TensorFile got;
      try {
        got = parse_safetensors(bytes, "memory");
      } catch (const IoError&) {
        ++rejected;
        continue;
      }
      ++parsed;
      CAPTURE(i);
      CAPTURE(change);
      REQUIRE_EQ(got.tensors.size(), reference.tensors.size());
      REQUIRE_EQ(got.metadata.size(), 1);
      std::size_t names = 0;
      for (std::size_t k = 0; k < got.tensors.size(); ++k) {
        // a changed name can move an empty tensor before or behind the one at the same offset
        const Tensor& tensor = got.tensors[k].tensor;
        const auto* want = &reference.tensors[k];
        for (const NamedTensor& t : reference.tensors) {
          if (t.name == got.tensors[k].name) want = &t;
        }
        names += got.tensors[k].name != want->name;
        // [2, 0] may become [3, 0]: nothing in the file contradicts it
        REQUIRE_EQ(tensor.numel(), want->tensor.numel());
        if (tensor.numel() != 0) REQUIRE((tensor.shape() == want->tensor.shape()));
        // one byte turns I64 into F64 and back: the same bytes under another name of their type
        REQUIRE_EQ(size_of(tensor.dtype()), size_of(want->tensor.dtype()));
        REQUIRE((tensor.byte_size() == 0 ||
                 std::memcmp(tensor.bytes(), want->tensor.bytes(), tensor.byte_size()) == 0));
      }
      REQUIRE_LE(names, 1);
    }
  }
  // the names, the text, white space and what is said above
  CHECK_GT(parsed, 0);
  CHECK_GT(rejected, 25 * parsed);
}

TEST_CASE("with a checksum every changed byte and every truncation is seen") {
  TensorFile contents = small_file();
  contents.checksum = true;
  const Bytes whole = serialise_safetensors(contents);
  const TensorFile reference = parse_safetensors(whole, "memory");
  CHECK(reference.checksum);
  check_same(reference, small_file());  // the checksum is not among the metadata
  CHECK_FALSE(parse_safetensors(serialise_safetensors(small_file()), "memory").checksum);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (unsigned change = 1; change < 256; change *= 2) {  // CRC-32 sees more than one bit, too
      Bytes bytes = whole;
      bytes[i] ^= static_cast<std::byte>(change);
      CAPTURE(i);
      CAPTURE(change);
      bool accepted = false;
      try {
        accepted = parse_safetensors(bytes, "memory").checksum;
      } catch (const IoError&) {
      }
      REQUIRE_FALSE(accepted);  // at most its field is no longer one
    }
  }
}

TEST_CASE("a checksum is the CRC-32 of the file with zeros for its digits") {
  const Bytes bytes = serialise_safetensors({.metadata = {{"k", "v"}}, .checksum = true});
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // python3 -c 'import zlib; h =
  // b"{\"__metadata__\":{\"checksum\":\"crc32:00000000\",\"k\":\"v\"}}"
  //   h += b" " * (-len(h) % 8); print("%08x" % zlib.crc32(len(h).to_bytes(8, "little") + h))'
  CHECK_EQ(text.substr(8), R"({"__metadata__":{"checksum":"crc32:35f3610a","k":"v"}})"
                           "  ");
  Bytes damaged = bytes;
  damaged.at(damaged.size() - 1) = std::byte{'\n'};  // white space for white space
  CHECK_NE(failure(damaged), "");
}

TEST_CASE("the length of the header is checked before anything is allocated") {
  Bytes bytes = file_of("{}", 0);
  CHECK_EQ(failure(bytes), "");
  bytes[0] = std::byte{1};
  CHECK_EQ(failure(bytes), "header: expected 2 to 100000000 bytes, got 1");
  bytes[0] = std::byte{3};
  CHECK_EQ(failure(bytes), "header: expected 3 bytes, got 2 up to the end of the file");
  std::fill_n(bytes.begin(), 8, std::byte{0xff});
  CHECK_EQ(failure(bytes), "header: expected 2 to 100000000 bytes, got 18446744073709551615");
  const std::uint64_t too_long = 100'000'001;
  std::memcpy(bytes.data(), &too_long, sizeof too_long);
  CHECK_EQ(failure(bytes), "header: expected 2 to 100000000 bytes, got 100000001");
  CHECK_EQ(failure(Bytes(7)), "expected a header length of 8 bytes, got a file of 7");
}

TEST_CASE("the header is one JSON object that begins at once") {
  CHECK_EQ(failure("{}   ", 0), "");
  CHECK_EQ(failure(" {}", 0), "header: expected { as its first byte, got byte 32");
  CHECK_EQ(failure("[]", 0), "header: expected { as its first byte, got byte 91");
  CHECK_EQ(failure("{} x", 0), "header: expected JSON, got a syntax error at byte 4");
  CHECK_NE(failure("{}{}", 0), "");
  CHECK_NE(failure("{,}", 0), "");
  CHECK_NE(failure("{/**/}", 0), "");
  CHECK_EQ(failure(std::string("{}\0x", 4), 0), "header: expected JSON, got a zero byte at 2");
  CHECK_NE(failure("{\"\xff\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4), "");
  CHECK_NE(failure(std::string(100'000, '{'), 0), "");
  CHECK_NE(failure("{\"a\":" + std::string(100'000, '['), 0), "");
}

TEST_CASE("duplicate keys are errors at every level") {
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  CHECK_EQ(failure(R"({"a":)" + entry + "}", 4), "");
  CHECK_EQ(failure(R"({"a":)" + entry + R"(,"a":)" + entry + "}", 4),
           "header: expected each key once, got a twice");
  CHECK_EQ(failure(R"({"a":)" + entry + R"(,"\u0061":)" + entry + "}", 4),
           "header: expected each key once, got a twice");
  CHECK_EQ(failure(R"({"__metadata__":{},"__metadata__":{}})", 0),
           "header: expected each key once, got __metadata__ twice");
  CHECK_EQ(failure(R"({"__metadata__":{"k":"1","k":"1"}})", 0),
           "__metadata__: expected each key once, got k twice");
  for (const char* twice : {R"("dtype":"F32")", R"("shape":[1])", R"("data_offsets":[0,4])"}) {
    CHECK_NE(failure(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],)" +
                         std::string(twice) + "}}",
                     4),
             "");
  }
}

TEST_CASE("metadata maps strings to strings") {
  CHECK_EQ(failure(R"({"__metadata__":{"k":"v"}})", 0), "");
  CHECK_EQ(failure(R"({"__metadata__":{"k":1}})", 0), "__metadata__: expected strings, got 1");
  CHECK_EQ(failure(R"({"__metadata__":{"k":{}}})", 0),
           "__metadata__: expected strings, got an object");
  CHECK_EQ(failure(R"({"__metadata__":"v"})", 0),
           "header: expected an object for each key, got \"v\"");
  CHECK_NE(failure(R"({"__metadata__":null})", 0), "");
  CHECK_NE(failure(R"({"__metadata__":[]})", 0), "");
}

TEST_CASE("an entry has dtype, shape and data_offsets of the right kinds, and no more") {
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets, const std::string& more = "") {
    return failure(R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" +
                       offsets + more + "}}",
                   4);
  };
  CHECK_EQ(entry(R"("F32")", "[1]", "[0,4]"), "");
  CHECK_EQ(entry(R"("BF16")", "[2]", "[0,4]"), "");
  CHECK_EQ(entry(R"("F16")", "[3]", "[0,4]"),
           "tensor a: expected 6 bytes for shape [3] of F16, got data_offsets [0, 4]");
  CHECK_EQ(entry(R"("U8")", "[4]", "[0,4]"),
           "tensor a: expected dtype F32, F64, I64, F16 or BF16, got U8");
  CHECK_EQ(entry("32", "[1]", "[0,4]"), "tensor a: expected a string as dtype, got 32");
  CHECK_EQ(entry(R"("F32")", "[-1]", "[0,4]"),
           "tensor a: expected sizes from 0 to 2^63 - 1, got -1");
  CHECK_EQ(entry(R"("F32")", "[9223372036854775808]", "[0,4]"),
           "tensor a: expected sizes from 0 to 2^63 - 1, got 9223372036854775808");
  CHECK_NE(entry(R"("F32")", "[1.0]", "[0,4]"), "");
  CHECK_NE(entry(R"("F32")", "[1e0]", "[0,4]"), "");
  CHECK_NE(entry(R"("F32")", "[[1]]", "[0,4]"), "");
  CHECK_NE(entry(R"("F32")", "[\"1\"]", "[0,4]"), "");
  CHECK_NE(entry(R"("F32")", "1", "[0,4]"), "");
  CHECK_NE(entry(R"("F32")", "null", "[0,4]"), "");
  CHECK_NE(entry(R"("F32")", "{}", "[0,4]"), "");
  CHECK_EQ(entry(R"("F32")", "[1]", "[4]"), "tensor a: expected two data_offsets, got 1");
  CHECK_EQ(entry(R"("F32")", "[1]", "[0,4,4]"), "tensor a: expected two data_offsets, got 3");
  CHECK_EQ(entry(R"("F32")", "[1]", "[0,true]"),
           "tensor a: expected two offsets of at least 0, got true");
  CHECK_EQ(entry(R"("F32")", "[1]", "[0,4]", R"(,"x":1)"),
           "tensor a: expected only dtype, shape and data_offsets, got x");
  CHECK_EQ(failure(R"({"a":{"dtype":"F32","shape":[1]}})", 4),
           "tensor a: expected dtype, shape and data_offsets, got no data_offsets");
  CHECK_EQ(failure(R"({"a":[]})", 4), "header: expected an object for each key, got an array");
}

TEST_CASE("elements of 16 bits become float32, and are counted") {
  Bytes bytes = file_of(R"({"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},)"
                        R"("b":{"dtype":"BF16","shape":[],"data_offsets":[4,6]},)"
                        R"("c":{"dtype":"F16","shape":[0],"data_offsets":[6,6]},)"
                        R"("d":{"dtype":"I64","shape":[1],"data_offsets":[6,14]}})",
                        14);
  const std::array<std::uint16_t, 3> halves = {0x3c00, 0xc000, 0x4049};  // 1, -2, 3.140625
  std::memcpy(bytes.data() + bytes.size() - 14, halves.data(), sizeof halves);
  const TensorFile file = parse_safetensors(bytes, "FILE");
  REQUIRE_EQ(file.tensors.size(), 4);
  CHECK(bit_equal(file.tensors[0].tensor, Tensor::from<float>({1, -2}, {2, 1})));
  CHECK(bit_equal(file.tensors[1].tensor, Tensor::from<float>({3.140625F}, {})));
  CHECK_EQ(file.tensors[2].tensor.shape(), Shape{0});
  CHECK_EQ(file.tensors[3].tensor.item(), 0x0101010101010101);
  CHECK_EQ(file.widened, std::map<std::string, std::size_t>{{"BF16", 1}, {"F16", 2}});
}

TEST_CASE("offsets fit shape and dtype, and overflow is seen") {
  const auto entry = [](const std::string& shape, const std::string& offsets) {
    return failure(
        R"({"a":{"dtype":"F64","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", 8);
  };
  CHECK_EQ(entry("[1]", "[0,8]"), "");
  CHECK_EQ(entry("[2]", "[0,8]"),
           "tensor a: expected 16 bytes for shape [2] of F64, got data_offsets [0, 8]");
  CHECK_EQ(entry("[1]", "[8,0]"),
           "tensor a: expected 8 bytes for shape [1] of F64, got data_offsets [8, 0]");
  // 2^32 * 2^32 is 0 in 64 bits, 2^61 * 8 too; 3 * 6148914691236517206 is 2
  CHECK_EQ(entry("[4294967296,4294967296]", "[0,0]"),
           "tensor a: expected fewer than 2^63 bytes, got shape [4294967296, 4294967296]");
  CHECK_EQ(entry("[2305843009213693952]", "[0,0]"),
           "tensor a: expected fewer than 2^63 bytes, got shape [2305843009213693952]");
  CHECK_EQ(entry("[3,6148914691236517206]", "[0,16]"),
           "tensor a: expected fewer than 2^63 bytes, got shape [3, 6148914691236517206]");
  CHECK_EQ(entry("[0,4294967296,4294967296]", "[0,0]"),
           "tensor a: expected fewer than 2^63 bytes, got shape [0, 4294967296, 4294967296]");
  // right size, but there is no such data: rejected without an allocation
  CHECK_EQ(entry("[1152921504606846975]", "[0,9223372036854775800]"),
           "expected 9223372036854775800 bytes of data, as the header says, got 8");
  CHECK_NE(entry("[1]", "[18446744073709551608,0]"), "");
}

TEST_CASE("holes, overlaps and data without a tensor are errors") {
  const auto two = [](const std::string& a, const std::string& b, std::size_t data_bytes) {
    const std::string start = R"({"dtype":"F32","shape":[1],"data_offsets":)";
    return failure(R"({"a":)" + start + a + R"(},"b":)" + start + b + "}}", data_bytes);
  };
  CHECK_EQ(two("[0,4]", "[4,8]", 8), "");
  CHECK_EQ(two("[4,8]", "[0,4]", 8), "");
  CHECK_EQ(two("[0,4]", "[8,12]", 12),
           "tensor b: expected data_offsets that begin at 4, where the tensor before ends, got 8");
  CHECK_EQ(two("[0,4]", "[2,6]", 6),
           "tensor b: expected data_offsets that begin at 4, where the tensor before ends, got 2");
  CHECK_NE(two("[0,4]", "[0,4]", 4), "");
  CHECK_NE(two("[4,8]", "[8,12]", 12), "");
  CHECK_EQ(two("[0,4]", "[4,8]", 9), "expected 8 bytes of data, as the header says, got 9");
  CHECK_EQ(two("[0,4]", "[4,8]", 7), "expected 8 bytes of data, as the header says, got 7");
  CHECK_EQ(failure("{}", 1), "expected 0 bytes of data, as the header says, got 1");
}

}  // namespace
}  // namespace resgrad
