# Everything that compiles stays in this stage. No install script runs: argon2 and lmdb ship their binaries.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json bundle.js ./
COPY src ./src
COPY packages/client/tsconfig.json ./packages/client/
COPY packages/client/src ./packages/client/src
RUN npx tsc -p packages/client && npm run build:service && install -D -t page/qr node_modules/uqr/dist/index.mjs && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

# The example page, with the packages that it imports: compose.yaml puts it behind nginx.
FROM nginx:1.28-bookworm AS page
COPY examples/spa /srv/spa
COPY --from=build /app/packages/client/dist /srv/spa/client
COPY --from=build /app/page/qr /srv/spa/qr

FROM node:24-bookworm-slim
# One malloc arena: with one for each thread, memory that argon2 has given back would be kept four times over.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data MALLOC_ARENA_MAX=1
WORKDIR /app
COPY package.json ./
COPY openapi/openapi.json openapi/admin.json ./openapi/
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/src/mail/templates ./src/mail/templates
COPY --from=build /app/dist ./dist

# The embedded store lives here; with REDIS_URL it stays empty. Its owner is set before VOLUME, or it would be lost.
RUN install -d -o node -g node -m 700 /data
VOLUME /data
# The image's user node, as a number: Kubernetes' runAsNonRoot accepts no name.
USER 1000:1000

EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["node", "dist/healthcheck.js"]
CMD ["node", "dist/main.js"]
