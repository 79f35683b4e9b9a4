% Matrices, cells, strings, structures, FFT.
a = reshape(mod((1:250000) * 7919, 1009), 500, 500);
b = a' * a;
printf("%d %d\n", trace(b), nnz(mod(b, 2)));
printf("%.6f\n", abs(sum(fft(a(:, 1)))));
c = cellfun(@(x) repmat("x", 1, mod(x, 50)), num2cell(1:20000), "UniformOutput", false);
printf("%d %s\n", sum(cellfun(@numel, c)), hash("md5", strjoin(c, ",")));
s = struct();
for i = 1:2000
  s.(sprintf("f%d", i)) = ones(1, mod(i, 100));
end
printf("%d\n", sum(structfun(@numel, s)));
t = regexprep(strjoin(cellfun(@(x) sprintf("%d", x), num2cell(1:20000), "UniformOutput", false), " "), "(\\d)(\\d)", "$2$1");
printf("%s\n", hash("md5", t));
q = sparse(mod(1:50000, 997) + 1, mod((1:50000) * 3, 991) + 1, 1);
printf("%d %d\n", nnz(q), full(sum(sum(q * q'))));
big = [];
for i = 1:2000, big = [big, i * ones(1, 20)]; end
printf("%d\n", sum(sort(big, "descend")(1:100)));
