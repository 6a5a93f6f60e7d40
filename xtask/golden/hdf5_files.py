"""Small HDF5 files for the reader's tests: element types, filters, links, virtual datasets.

    pip install h5py hdf5plugin numpy
    python xtask/golden/hdf5_files.py testdata/datasets

The numbers are those of a formula, which the tests have too (crates/diffplan-data/src/read/hdf5/tests.rs).
"""
import gzip
import os
import sys

import h5py
import hdf5plugin
import numpy as np
from h5py import h5d, h5p, h5s, h5t

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
os.chdir(folder)


def values(rows, columns, kind="f4"):
    """Small whole numbers, some of them negative: exact in every type."""
    i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    return ((i * 7 + j * 3) % 50 - 20).astype(kind)


def custom(file, name, data, kind):
    """Written as `kind`, HDF5 converting."""
    space = h5s.create_simple(data.shape)
    dataset = h5d.create(file.id, name.encode(), kind, space)
    dataset.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(data))


def types():
    with h5py.File("types.hdf5", "w", libver=("earliest", "v110")) as f:
        plain = values(12, 3, "f8")
        for name in ["f2", "f4", "f8", "i1", "i2", "i4", "i8"]:
            for order in "<>":
                f[{"<": "le_", ">": "be_"}[order] + name] = plain.astype(order + name)
        for name in ["u1", "u2", "u4", "u8"]:
            f["le_" + name] = (plain + 20).astype("<" + name)
        f["long_double"] = plain.astype(np.longdouble)
        bfloat = h5t.IEEE_F32LE.copy()
        bfloat.set_fields(15, 7, 8, 0, 7)
        bfloat.set_precision(16)
        bfloat.set_size(2)
        bfloat.set_ebias(127)
        custom(f, "bfloat16", plain, bfloat)
        shifted = h5t.IEEE_F32BE.copy()
        shifted.set_size(8)
        shifted.set_offset(8)
        shifted.set_fields(39, 31, 8, 8, 23)
        custom(f, "shifted_float", plain, shifted)
        narrow = h5t.STD_I16LE.copy()
        narrow.set_precision(11)
        narrow.set_offset(3)
        custom(f, "narrow_integer", plain, narrow)
        narrow = h5t.STD_U32BE.copy()
        narrow.set_precision(17)
        narrow.set_offset(5)
        custom(f, "narrow_unsigned", plain + 20, narrow)
        three = h5t.STD_I32LE.copy()
        three.set_precision(24)
        three.set_size(3)
        custom(f, "three_bytes", plain, three)
        flag = np.arange(12) % 3 == 0
        f["bool"] = flag
        for name, names in [("enum", {"no": 0, "yes": 1}), ("enum_wide", {"low": 0, "high": 7})]:
            for base in ["u1", "i4"]:
                f[name + "_" + base] = (flag * max(names.values())).astype(
                    h5py.enum_dtype(names, basetype=base))
        table = np.zeros(12, [("x", "<f4"), ("inner", [("y", ">f8", (3,)), ("n", "i2")]), ("ok", "?")])
        table["x"] = plain[:, 0]
        table["inner"]["y"] = plain
        table["inner"]["n"] = plain[:, 1]
        table["ok"] = flag
        f["table"] = table
        kind = h5t.array_create(h5t.IEEE_F32LE, (3,))
        array = h5d.create(f.id, b"array", kind, h5s.create_simple((12,)))
        array.write(h5s.ALL, h5s.ALL, plain.astype("f4"), kind)
        f["complex"] = plain.astype("c8")
        f["text"] = [b"a", b"bc"]
        f["words"] = ["a", "bc"]
        f.create_dataset("sequences", (2,), dtype=h5py.vlen_dtype("f4"))
        f["opaque"] = np.zeros(3, "V5")
        f["scalar"] = 3.5
        f["committed_type"] = np.dtype("<f4")
        f.create_dataset("committed", data=plain.astype("f4"), dtype=f["committed_type"])


def filters():
    data = values(300, 5)
    with h5py.File("filters.hdf5", "w", libver="latest") as f:
        def add(name, content=data, chunks=(128, 5), **options):
            f.create_dataset(name, data=content, chunks=chunks, **options)

        add("gzip", compression="gzip", shuffle=True)
        add("lzf", compression="lzf")
        add("lzf_shuffle_fletcher", compression="lzf", shuffle=True, fletcher32=True)
        add("szip", chunks=(128, 4), compression="szip", compression_opts=("nn", 8))
        add("szip_ec", compression="szip", compression_opts=("ec", 16))
        add("scaleoffset", content=data.astype("i4"), scaleoffset=0)
        add("bzip2", **hdf5plugin.BZip2())
        add("zstd", **hdf5plugin.Zstd(3))
        add("zstd_shuffle", shuffle=True, **hdf5plugin.Zstd(19))
        add("lz4", **hdf5plugin.LZ4(nbytes=1024))
        for codec in ["none", "lz4", "zstd"]:
            add("bitshuffle_" + codec, chunks=(131, 5), **hdf5plugin.Bitshuffle(cname=codec, nelems=64 if codec == "lz4" else 0))
        for codec in ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]:
            for shuffle in [0, 1, 2]:
                add(f"blosc_{codec}_{shuffle}", chunks=(300, 5), **hdf5plugin.Blosc(cname=codec, clevel=9, shuffle=shuffle))
        add("blosc_level0", **hdf5plugin.Blosc(cname="lz4", clevel=0))
        add("blosc_f8", content=data.astype("f8"), chunks=(77, 3), **hdf5plugin.Blosc(cname="blosclz", clevel=5, shuffle=1))
        for codec in ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]:
            for name, what in [("0", 0), ("1", 1), ("2", 2), ("delta", 3)]:
                add(f"blosc2_{codec}_{name}", chunks=(300, 5), **hdf5plugin.Blosc2(cname=codec, clevel=9, filters=what))
        add("blosc2_zero", content=data * 0, **hdf5plugin.Blosc2())
        add("blosc2_row", content=data[:, 0].copy(), chunks=(128,), **hdf5plugin.Blosc2())
        add("zfp", **hdf5plugin.Zfp(reversible=True))
        # Noise, which does not compress: filters store it as it is.
        noise = np.frombuffer(np.random.default_rng(0).bytes(1200), "<u4").reshape(100, 3)
        for name, options in [("lzf", {"compression": "lzf"}), ("zstd", hdf5plugin.Zstd()), ("lz4", hdf5plugin.LZ4()),
                              ("blosc", hdf5plugin.Blosc()), ("blosc2", hdf5plugin.Blosc2()),
                              ("bitshuffle", hdf5plugin.Bitshuffle(cname="lz4")), ("bzip2", hdf5plugin.BZip2())]:
            f.create_dataset("noise_" + name, data=noise, chunks=(64, 3), **options)
        f["noise"] = noise


def links():
    data = values(20, 3)
    with h5py.File("part.hdf5", "w") as f:
        f["inner/data"] = data
        f["wide"] = data.astype("f8")
    open("raw.bin", "wb").write(b"pad!" + data.tobytes())
    for version, libver in [("old", "earliest"), ("new", "latest")]:
        with h5py.File(f"links-{version}.hdf5", "w", libver=libver) as f:
            f["data"] = data
            f["group/soft"] = h5py.SoftLink("/data")
            f["group/relative"] = h5py.SoftLink("hard")
            f["group/hard"] = f["data"]
            f["group/self"] = h5py.SoftLink("/group/self")
            f["group/dangling"] = h5py.SoftLink("/nowhere")
            f["external"] = h5py.ExternalLink("part.hdf5", "/inner/data")
            f["external_group"] = h5py.ExternalLink("part.hdf5", "/inner")
            f["external_missing"] = h5py.ExternalLink("missing.hdf5", "/inner/data")
            f["external_escape"] = h5py.ExternalLink("../../etc/part.hdf5", "/inner/data")
            f.create_dataset("raw", (20, 3), "f4", external=[("raw.bin", 4, 240)])
            f.create_dataset("raw_path", (20, 3), "f4", external=[("/some/where/raw.bin", 4, 240)])
            f.create_dataset("raw_missing", (20, 3), "f4", external=[("missing.bin", 0, 240)])
            # All of another file; parts with a gap; of this file, every second row; what is not there.
            layout = h5py.VirtualLayout((20, 3), "f4")
            layout[...] = h5py.VirtualSource("part.hdf5", "inner/data", (20, 3))
            f.create_virtual_dataset("virtual", layout)
            layout = h5py.VirtualLayout((24, 3), "f4")
            layout[:10] = h5py.VirtualSource("part.hdf5", "inner/data", (20, 3))[:10]
            layout[14:] = h5py.VirtualSource("part.hdf5", "inner/data", (20, 3))[10:]
            f.create_virtual_dataset("virtual_gap", layout, fillvalue=-1)
            layout = h5py.VirtualLayout((10, 2), "f4")
            layout[...] = h5py.VirtualSource(".", "data", (20, 3))[::2, 1:]
            f.create_virtual_dataset("virtual_here", layout)
            layout = h5py.VirtualLayout((2, 20, 3), "f4")
            layout[0] = h5py.VirtualSource(".", "data", (20, 3))
            layout[1] = h5py.VirtualSource(".", "virtual", (20, 3))
            f.create_virtual_dataset("virtual_stack", layout)
            layout = h5py.VirtualLayout((20, 3), "f4")
            layout[...] = h5py.VirtualSource("missing.hdf5", "inner/data", (20, 3))
            f.create_virtual_dataset("virtual_missing", layout)
            layout = h5py.VirtualLayout((20, 3), "f4")
            layout[...] = h5py.VirtualSource("part.hdf5", "wide", (20, 3))
            f.create_virtual_dataset("virtual_converted", layout)
            layout = h5py.VirtualLayout((20, 3), "f4", maxshape=(None, 3))
            layout[:h5py.h5s.UNLIMITED] = h5py.VirtualSource("part.hdf5", "inner/data", (20, 3), maxshape=(None, 3))[:h5py.h5s.UNLIMITED]
            f.create_virtual_dataset("virtual_unlimited", layout)
            layout = h5py.VirtualLayout((20, 3), "f4")
            layout[...] = h5py.VirtualSource(".", "virtual_loop", (20, 3))
            f.create_virtual_dataset("virtual_loop", layout)


def dense():
    """Links that take more than the 512 KiB of a fractal heap's direct rows, by long names. Compressed: it is all repetition."""
    for name, order in [("dense", False), ("dense-order", True)]:
        with h5py.File("dense.tmp", "w", libver="latest", track_order=order) as f:
            f["data"] = values(4, 2)
            for n in range(700):
                f[f"{n:04}" + "x" * 996] = f["data"]
        with open(name + ".hdf5.gz", "wb") as out:
            with gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
                packed.write(open("dense.tmp", "rb").read())
        os.remove("dense.tmp")


types()
filters()
links()
dense()
