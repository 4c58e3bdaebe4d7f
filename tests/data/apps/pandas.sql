-- app: pandas.DataFrame.to_sql (research notebooks)
-- orm: pandas, Python (sqlite3 and SQLAlchemy)
-- remark: no keys: rows go by rowid
-- expect: prices.close double precision
-- expect: prices.date timestamp without time zone
-- expect: prices.volume bigint
-- expect: signals.flag bigint
-- expect: runs.done boolean
-- expect: runs.day date
CREATE TABLE "prices" ("index" INTEGER, "ticker" TEXT, "date" TIMESTAMP, "open" REAL, "close" REAL, "volume" INTEGER, "Adj Close" REAL);
CREATE INDEX "ix_prices_index"ON "prices" ("index");
CREATE TABLE "signals" ("level_0" INTEGER, "flag" INTEGER, "score (%)" REAL, "note" TEXT, "all_null" TEXT);
CREATE TABLE runs ("index" BIGINT, name TEXT, day DATE, at DATETIME, done BOOLEAN, value FLOAT);
CREATE INDEX ix_runs_index ON runs ("index");
CREATE TABLE "Sheet1" ("Unnamed: 0" INTEGER, "Umsatz €" REAL, "A" TEXT, "B.1" TEXT);
CREATE TABLE "empty_frame" ("x" REAL, "y" TEXT);
INSERT INTO prices VALUES (0,'AAPL','2024-01-02 00:00:00',187.15,185.64,82488700,184.29),(1,'AAPL','2024-01-03 00:00:00',184.22,184.25,58414500,182.91),
  (0,'MSFT','2024-01-02 00:00:00',NULL,370.87,25258600,NULL),(0,'MSFT','2024-01-02 00:00:00',NULL,370.87,25258600,NULL);
INSERT INTO signals VALUES (0,1,0.1,'buy',NULL),(1,0,-1e-300,'nan',NULL),(2,1,1e999,'',NULL);
INSERT INTO runs VALUES (0,'a','2024-01-02','2024-01-02 03:04:05.678901',1,1.0),(1,'b',NULL,'2024-01-02 03:04:05.000000',0,NULL);
INSERT INTO "Sheet1" VALUES (0,1234.5,'x',NULL),(1,NULL,'y','z');
-- following
INSERT INTO prices VALUES (2,'AAPL','2024-01-04 00:00:00.000001',182.15,181.91,71983600,180.59);
DELETE FROM prices WHERE rowid = 3;
UPDATE runs SET done = 1, value = 0.30000000000000004 WHERE name = 'b';
DELETE FROM "Sheet1";
