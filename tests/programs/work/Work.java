/* Threads, strings, compression, direct buffers: what a JVM takes from malloc beside its own heap. */
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;
import java.util.zip.*;

public class Work {
    static String part(int seed) throws Exception {
        long s = seed;
        Map<String, List<Integer>> words = new TreeMap<>();
        for (int i = 0; i < 60000; i++) {
            s = s * 16807 % 2147483647L;
            words.computeIfAbsent("w" + s % 4000, k -> new ArrayList<>()).add(i);
        }
        byte[] text = words.toString().getBytes("UTF-8");
        Deflater deflater = new Deflater(6);
        deflater.setInput(text);
        deflater.finish();
        byte[] packed = new byte[text.length + 1000];
        int length = deflater.deflate(packed);
        deflater.end();
        Inflater inflater = new Inflater();
        inflater.setInput(packed, 0, length);
        byte[] back = new byte[text.length];
        int got = inflater.inflate(back);
        inflater.end();
        long sum = 0;
        for (int i = 0; i < 200; i++) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(1000 + i * 997);
            for (int k = 0; k < buffer.capacity(); k += 64) buffer.put(k, (byte) i);
            sum += buffer.get(64);
        }
        MessageDigest digest = MessageDigest.getInstance("SHA-1");
        return seed + " " + (got == text.length) + " " + sum + " "
            + new java.math.BigInteger(1, digest.digest(back)).toString(16);
    }
    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(6);
        List<Future<String>> parts = new ArrayList<>();
        for (int i = 1; i <= 12; i++) { final int n = i; parts.add(pool.submit(() -> part(n))); }
        for (Future<String> part : parts) System.out.println(part.get());
        pool.shutdown();
        System.gc();
    }
}
